import Failures
import Texts

/// The text form of a list of merges: a version line, then one pair of symbols a line.
enum MergeList {
  /// - Parameters:
  ///   - limit: how many merges to read; lines after them are ignored.
  /// - Throws: `.missingHeader`, `.badMerge`.
  static func parse(
    _ text: String, file: String, limit: Int = .max
  ) throws(TokenizerError) -> [(left: String, right: String)] {
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
    while let last = lines.last, trimmed(last).isEmpty { lines.removeLast() }
    let header = lines.first.map { String(Substring(trimmed($0))) } ?? ""
    guard header.utf8.count <= 200, header.split(separator: "#").last?.begins(with: "version:") == true else {
      throw TokenizerError(
        .missingHeader, file: file, expected: "“#version: …” in line 1",
        found: header.isEmpty ? "an empty line" : quotation(header), remedy: TokenizerRule.replaceFile)
    }
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(lines.count)
    for (number, line) in lines.enumerated().dropFirst().prefix(limit) {
      merges.append(try pair(Substring(trimmed(line)), place: "line \(number + 1)", file: file))
    }
    return merges
  }

  /// Two symbols with one space between them.
  /// - Parameter place: where the text stands, for the error.
  static func pair(
    _ text: Substring, place: String, file: String
  ) throws(TokenizerError) -> (left: String, right: String) {
    let symbols = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard symbols.count == 2, !symbols.contains(where: \.isEmpty) else {
      throw badMerge(place: place, file: file, found: text.isEmpty ? "nothing" : quotation(String(text)))
    }
    return (String(Substring(symbols[0])), String(Substring(symbols[1])))
  }

  /// The merges of a `tokenizer.json`'s model.
  static func merges(of model: TokenizerJSON) throws(TokenizerError) -> [(left: String, right: String)] {
    let list = try model.required("merges").elements()
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(list.count)
    for (rank, merge) in list.enumerated() {
      merges.append(try Self.merge(merge, place: "“model.merges”, item \(rank)"))
    }
    return merges
  }

  /// A merge is written as one string with a space or, by newer versions, as an array of two.
  private static func merge(
    _ merge: TokenizerJSON, place: String
  ) throws(TokenizerError) -> (left: String, right: String) {
    if let text = merge.text { return try pair(text[...], place: place, file: merge.file) }
    var symbols: [String] = []
    for symbol in try merge.elements() { symbols.append(try symbol.string()) }
    guard symbols.count == 2, !symbols.contains("") else {
      throw badMerge(place: place, file: merge.file, found: "\(symbols.count) strings, or an empty one")
    }
    return (symbols[0], symbols[1])
  }

  static func badMerge(place: String, file: String, found: String) -> TokenizerError {
    TokenizerError(
      .badMerge, file: file, expected: "two symbols in \(place)", found: found,
      remedy: TokenizerRule.replaceFile)
  }

  /// Without the carriage return that some systems end lines with; no symbol contains one.
  private static func trimmed(_ line: Substring.UTF8View) -> Substring.UTF8View {
    line.last == UInt8(ascii: "\r") ? line.dropLast() : line
  }
}
