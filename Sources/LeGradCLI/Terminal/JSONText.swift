import FoundationEssentials

/// JSON for files and standard output: indented, keys sorted, so that equal results are equal bytes.
enum JSONText {
  static func encode(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch { preconditionFailure("a report is always encodable: \(error)") }
  }
}

/// A JSON array on standard output, an element at a time: a long run's results are never all in memory.
struct JSONArrayStream {
  private var count = 0

  mutating func append(_ value: some Encodable) {
    Terminal.out((count == 0 ? "[\n" : ",\n") + JSONText.encode(value))
    count += 1
  }

  func finish() { Terminal.out(count == 0 ? "[]" : "]") }
}
