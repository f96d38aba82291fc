/// A value that a run's configuration keeps as text.
@propertyWrapper
package struct AsText<Value: LosslessStringConvertible & Sendable>: Codable, Sendable {
  package var wrappedValue: Value

  package init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

  /// The number that the text says. A float32 itself, as float64, would have more digits.
  var number: Double? { Double(wrappedValue.description) }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Value(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is no \(Value.self)")
    }
    wrappedValue = value
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue.description)
  }
}
