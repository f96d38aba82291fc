import Failures

/// A token's text, equal to another scalar by scalar: Swift's strings are equal when they look alike, and vocabularies
/// tell é as one scalar from e with an accent behind.
struct Symbol: Hashable, Sendable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: Symbol, right: Symbol) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { bytes in unsafe hasher.combine(bytes: UnsafeRawBufferPointer(bytes)) }
  }
}

/// Ids by token, checked: every token once, no id for two, all in 0..<2^24.
struct SymbolTable: Sendable {
  static let idLimit = 1 << 24

  private var ids: [Symbol: Int32] = [:]
  private var owners: [Int32: Symbol] = [:]
  let file: String

  init(file: String, capacity: Int = 0) {
    self.file = file
    ids.reserveCapacity(capacity)
    owners.reserveCapacity(capacity)
  }

  subscript(text: String) -> Int32? { ids[Symbol(text)] }

  /// One more than the largest id.
  var idCount: Int { owners.keys.max().map { Int($0) + 1 } ?? 0 }

  /// - Throws: `.duplicateSymbol`, `.duplicateID`, `.badID`.
  mutating func add(_ text: String, id: Int) throws(TokenizerError) {
    guard (0..<Self.idLimit).contains(id) else {
      throw TokenizerError(
        .badID, file: file, expected: "token ids in 0..<\(Self.idLimit)", found: "\(id) for \(quotation(text))",
        remedy: TokenizerRule.replaceFile)
    }
    if let earlier = ids.updateValue(Int32(id), forKey: Symbol(text)) {
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "every token once",
        found: "\(quotation(text)) as id \(earlier) and \(id)", remedy: TokenizerRule.replaceFile)
    }
    if let owner = owners.updateValue(Symbol(text), forKey: Int32(id)) {
      throw TokenizerError(
        .duplicateID, file: file, expected: "a different id for every token",
        found: "\(id) for both \(quotation(owner.text)) and \(quotation(text))", remedy: TokenizerRule.replaceFile)
    }
  }

  /// Every token with its id, in no order.
  var entries: some Sequence<(String, Int32)> { ids.lazy.map { ($0.key.text, $0.value) } }
}
