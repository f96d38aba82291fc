import Failures
import Texts

/// The symbols and merges of a byte-pair tokenizer, checked: every byte has its two symbols, every merge joins two
/// known symbols to a known one, ids are distinct and in 0..<2^24, and there is one start and one end token.
struct BytePairVocabulary: Sendable {
  struct BaseIDs: Sendable {
    fileprivate let ids: TextTable<Int>

    subscript(token: String) -> Int32? { ids[token].map(Int32.init) }
  }

  static let idLimit = SymbolTable.idLimit

  private static let startTokens = ["<start_of_text>", "<|startoftext|>"]
  private static let endTokens = ["<end_of_text>", "<|endoftext|>"]

  let startID: Int32
  let endID: Int32
  /// One more than the largest id.
  let idCount: Int
  /// Ids by token without those that files beside the vocabulary add.
  let baseIDs: BaseIDs
  /// The ids of the symbols of single bytes inside and at the end of a word, by byte value.
  let byteIDs: [Int32]
  let finalByteIDs: [Int32]
  let merges: MergeTable

  /// - Parameters:
  ///   - ids: every symbol with its id.
  ///   - merges: pairs of symbols, first rank first.
  ///   - base: the ids without those of added tokens.
  ///   - file: where the ids came from, for errors; `mergesFile` likewise for the merges.
  init(
    ids: TextTable<Int>, merges: [(left: String, right: String)], base: TextTable<Int>, file: String, mergesFile: String
  ) throws(TokenizerError) {
    try Self.checkIDs(ids, file: file)
    startID = try Self.specialID(Self.startTokens, what: "start", ids: ids, file: file)
    endID = try Self.specialID(Self.endTokens, what: "end", ids: ids, file: file)
    idCount = (ids.values.max() ?? -1) + 1
    baseIDs = BaseIDs(ids: base)
    byteIDs = try Self.byteIDs(suffix: "", ids: ids, file: file)
    finalByteIDs = try Self.byteIDs(suffix: ByteSymbols.endOfWord, ids: ids, file: file)
    self.merges = try MergeTable(merges, file: mergesFile) { symbol in ids[symbol].map(Int32.init) }
  }

  private static func checkIDs(_ ids: TextTable<Int>, file: String) throws(TokenizerError) {
    var owners: [Int: String] = [:]
    owners.reserveCapacity(ids.count)
    for (symbol, id) in ids {
      guard (0..<idLimit).contains(id) else {
        throw TokenizerError(
          .badID, file: file, expected: "token ids in 0..<\(idLimit)",
          found: "\(id) for \(quotation(symbol))", remedy: TokenizerRule.replaceFile)
      }
      if let owner = owners.updateValue(symbol, forKey: id) {
        let pair = [owner, symbol].sorted()
        throw TokenizerError(
          .duplicateID, file: file, expected: "a different id for every token",
          found: "\(id) for both \(quotation(pair[0])) and \(quotation(pair[1]))",
          remedy: TokenizerRule.replaceFile)
      }
    }
  }

  private static func specialID(
    _ names: [String], what: String, ids: TextTable<Int>, file: String
  ) throws(TokenizerError) -> Int32 {
    let present = names.filter { ids[$0] != nil }
    let expected = "a \(what) token, \(names.joined(separator: " or "))"
    guard let name = present.first, let id = ids[name] else {
      throw TokenizerError(
        .missingSpecialToken, file: file, expected: expected, found: "neither",
        remedy: "use the tokenizer of a CLIP model")
    }
    guard present.count == 1 else {
      throw TokenizerError(
        .ambiguousSpecialToken, file: file, expected: expected, found: "both",
        remedy: "remove the one the model was not trained with")
    }
    return Int32(id)
  }

  private static func byteIDs(
    suffix: String, ids: TextTable<Int>, file: String
  ) throws(TokenizerError) -> [Int32] {
    var table: [Int32] = Array(repeating: 0, count: 256)
    for (byte, character) in zip(ByteSymbols.order, ByteSymbols.characters) {
      guard let id = ids[character + suffix] else {
        throw TokenizerError(
          .missingByteSymbol, file: file, expected: "a token for every byte, alone and with </w>",
          found: "none named “\(character + suffix)” (byte \(byte))", remedy: "use the tokenizer of a CLIP model")
      }
      table[Int(byte)] = Int32(id)
    }
    return table
  }
}
