package import Failures

/// What lies where a file was to be fetched to, and is not that file: what Git leaves without its large files, what a
/// server answers in words, or what an editor made of a text.
package struct Leftover: Sendable {
  /// For the `found` of an error.
  package let found: String
  package let remedy: Message

  /// How much of a file's start tells.
  package static let startSize = 512

  /// - Parameters:
  ///   - start: the first `startSize` bytes of the file, or all of a shorter one.
  ///   - fromText: whether the file could be any text, so that only what is known for an answer counts. Else every text
  ///     is one.
  ///   - isJSON: whether the file was to be JSON, which has one encoding.
  ///   - remedy: what to do about a server's answer.
  package init?(
    _ start: [UInt8], fromText: Bool, isJSON: Bool = false, remedy answered: Message = Self.fetchingModels
  ) {
    if isJSON, [[0xFF, 0xFE], [0xFE, 0xFF]].contains(where: { start.starts(with: $0) }) {
      found = "text in UTF-16"
      remedy = Self.encoding
      return
    }
    guard let text = Self.text(start) else { return nil }
    let lowercased = text.lowercased()
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      found = "a Git LFS pointer, which stands for the file"
      remedy = "the file itself was not cloned: install git-lfs and run 'git lfs pull' in the folder"
      return
    }
    if ["<!doctype html", "<html", "<?xml", "<head", "<error"].contains(where: lowercased.hasPrefix) {
      found = Self.title(of: text, lowercased).map { "a web page with the title \"\($0)\"" } ?? "a web page"
      remedy = answered
      return
    }
    let isAnswer = Self.answers.contains(where: lowercased.hasPrefix)
    if isJSON, !isAnswer, start.starts(with: [0xEF, 0xBB, 0xBF]) {
      found = "a byte order mark"
      remedy = Self.encoding
      return
    }
    guard !fromText || isAnswer else { return nil }
    let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? text
    found = "the text \"\(line.prefix(80))\""
    remedy = answered
  }

  private static let encoding: Message = "an editor wrote it so: save the file as UTF-8 without a byte order mark"
  package static let fetchingModels: Message =
    "the server sent this in place of the file: see on the model's page whether the file is there and whether one has "
    + "to log in ('hf auth login') or to accept terms, then fetch it again, such as with 'hf download ORGANISATION/NAME'"

  /// How the answers of servers begin that are no pages, in lower case.
  private static let answers = [
    "entry not found", "not found", "404", "401", "403", "repository not found", "revision not found",
    "invalid credentials", "invalid username", "invalid rev", "access to model", "access denied", "unauthorized",
    "forbidden", "internal server error", "bad gateway", "service unavailable", "too many requests",
  ]

  /// The start as text without white space around it; nil where it is empty or not text.
  private static func text(_ start: [UInt8]) -> String? {
    let isPlain = start.allSatisfy { byte in byte >= 0x20 && byte != 0x7F || 9...13 ~= byte }
    // The last character may be cut.
    let cuts = start.count < startSize ? 0...0 : 0...3
    guard isPlain,
      let whole = cuts.lazy.compactMap({ String(validating: start.dropLast($0), as: UTF8.self) }).first
    else { return nil }
    var text = whole[...]
    // A mark of the byte order is no white space.
    while let first = text.first, first.isWhitespace || first == "\u{FEFF}" { text.removeFirst() }
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return text.isEmpty ? nil : String(text)
  }

  private static func title(of text: String, _ lowercased: String) -> String? {
    guard lowercased.utf8.count == text.utf8.count, let start = lowercased.firstRange(of: "<title>"),
      let end = lowercased[start.upperBound...].firstRange(of: "</title>")
    else { return nil }
    let title = Array(text.utf8)[
      lowercased.utf8.distance(
        from: lowercased.startIndex, to: start.upperBound)..<lowercased.utf8.distance(
          from: lowercased.startIndex, to: end.lowerBound)]
    return String(decoding: title, as: UTF8.self)
  }
}
