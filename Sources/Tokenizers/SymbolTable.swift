import Failures
import Texts

/// Ids by token, checked: every token once, no id for two, all in 0..<2^24.
struct SymbolTable: Sendable {
  static let idLimit = 1 << 24
  /// Bytes of a token. Texts are searched from each place for this long.
  static let longestToken = 4_096

  private var ids: [TextKey: Int32] = [:]
  private var owners: [Int32: TextKey] = [:]
  let file: String

  init(file: String, capacity: Int = 0) {
    self.file = file
    ids.reserveCapacity(capacity)
    owners.reserveCapacity(capacity)
  }

  subscript(text: String) -> Int32? { ids[TextKey(text)] }

  /// One more than the largest id.
  var idCount: Int { owners.keys.max().map { Int($0) + 1 } ?? 0 }

  /// - Throws: `.duplicateSymbol`, `.duplicateID`, `.badID`.
  mutating func add(_ text: String, id: Int) throws(TokenizerError) {
    guard (0..<Self.idLimit).contains(id) else {
      throw TokenizerError(
        .badID, file: file, expected: "token ids in 0..<\(Self.idLimit)", found: "\(id) for \(quotation(text))",
        remedy: TokenizerRule.replaceFile)
    }
    guard text.utf8.count <= Self.longestToken else {
      throw TokenizerError(
        .badID, file: file, expected: "tokens of at most \(Self.longestToken) bytes",
        found: "one of \(text.utf8.count) with id \(id)", remedy: TokenizerRule.replaceFile)
    }
    if let earlier = ids.updateValue(Int32(id), forKey: TextKey(text)) {
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "every token once",
        found: "\(quotation(text)) as id \(earlier) and \(id)", remedy: TokenizerRule.replaceFile)
    }
    if let owner = owners.updateValue(TextKey(text), forKey: Int32(id)) {
      throw TokenizerError(
        .duplicateID, file: file, expected: "a different id for every token",
        found: "\(id) for both \(quotation(owner.text)) and \(quotation(text))", remedy: TokenizerRule.replaceFile)
    }
  }

  /// Every token with its id, in no order.
  var entries: some Sequence<(String, Int32)> { ids.lazy.map { ($0.key.text, $0.value) } }
}
