import Failures
import FoundationEssentials

/// JSON for files and standard output: indented, keys sorted, so that equal results are equal bytes. Names of files that
/// are not UTF-8 are shown as on a terminal (`caf\xE9.jpg`).
enum JSONText {
  static func encode(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      let text = String(decoding: try encoder.encode(value), as: UTF8.self)
      guard UndecodedByte.isIn(text) else { return text }
      // They are in strings, where a backslash is written as two.
      return text.unicodeScalars.map { scalar in
        UndecodedByte.byte(scalar).map { "\\" + UndecodedByte.shown($0) } ?? "\(scalar)"
      }.joined()
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
