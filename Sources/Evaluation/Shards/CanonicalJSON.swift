import FoundationEssentials

/// JSON of which equal values are equal bytes: keys sorted, numbers as short as they can be and still the same number.
enum CanonicalJSON {
  /// - Parameter indented: on several lines; otherwise on one, without a line end.
  /// - Returns: nil if there is a number in `value` that is not finite.
  static func encode(_ value: some Encodable, indented: Bool = false) -> [UInt8]? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if indented { encoder.outputFormatting.insert(.prettyPrinted) }
    return (try? encoder.encode(value)).map(Array.init)
  }

  /// The value that `encode` makes `bytes` of; nil for any other bytes, even if they mean the same.
  static func decode<Value: Codable>(_ type: Value.Type, _ bytes: some Sequence<UInt8>, indented: Bool = false)
    -> Value?
  {
    let data = Data(bytes)
    guard let value = try? JSONDecoder().decode(type, from: data),
      let again = encode(value, indented: indented), data.elementsEqual(again)
    else { return nil }
    return value
  }
}
