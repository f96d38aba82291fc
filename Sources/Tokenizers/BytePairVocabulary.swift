import Failures

/// The symbols and merges of a byte-pair tokenizer, checked: every byte has its two symbols, every merge joins two
/// known symbols to a known one, ids are distinct and in 0..<2^24, and there is one start and one end token.
struct BytePairVocabulary: Sendable {
  struct Merge: Sendable, Equatable {
    /// Lower ranks merge first.
    let rank: Int32
    /// The id of the joined symbol.
    let joined: Int32
  }

  static let idLimit = 1 << 24

  private static let startTokens = ["<start_of_text>", "<|startoftext|>"]
  private static let endTokens = ["<end_of_text>", "<|endoftext|>"]

  let startID: Int32
  let endID: Int32
  /// One more than the largest id.
  let idCount: Int
  /// The ids of the symbols of single bytes inside and at the end of a word, by byte value.
  let byteIDs: [Int32]
  let finalByteIDs: [Int32]
  private let merges: [UInt64: Merge]

  /// - Parameters:
  ///   - ids: every symbol with its id.
  ///   - merges: pairs of symbols, first rank first.
  ///   - file: where the ids came from, for errors; `mergesFile` likewise for the merges.
  init(
    ids: [String: Int], merges: [(left: String, right: String)], file: String, mergesFile: String
  ) throws(TokenizerError) {
    try Self.checkIDs(ids, file: file)
    startID = try Self.specialID(Self.startTokens, what: "start", ids: ids, file: file)
    endID = try Self.specialID(Self.endTokens, what: "end", ids: ids, file: file)
    idCount = (ids.values.max() ?? -1) + 1
    byteIDs = try Self.byteIDs(suffix: "", ids: ids, file: file)
    finalByteIDs = try Self.byteIDs(suffix: ByteSymbols.endOfWord, ids: ids, file: file)
    self.merges = try Self.table(merges, ids: ids, file: mergesFile)
  }

  /// What becomes of two neighbouring symbols, if anything.
  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    merges[Self.key(left, right)]
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private static func checkIDs(_ ids: [String: Int], file: String) throws(TokenizerError) {
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
    _ names: [String], what: String, ids: [String: Int], file: String
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
    suffix: String, ids: [String: Int], file: String
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

  private static func table(
    _ pairs: [(left: String, right: String)], ids: [String: Int], file: String
  ) throws(TokenizerError) -> [UInt64: Merge] {
    var table: [UInt64: Merge] = [:]
    table.reserveCapacity(pairs.count)
    func id(_ symbol: String, rank: Int) throws(TokenizerError) -> Int32 {
      guard let id = ids[symbol] else {
        throw TokenizerError(
          .unknownSymbol, file: file, expected: "merge \(rank + 1) to join tokens of the vocabulary",
          found: "\(quotation(symbol)), which is none", remedy: "use vocabulary and merges of the same tokenizer")
      }
      return Int32(id)
    }
    for (rank, pair) in pairs.enumerated() {
      let (left, right) = (try id(pair.left, rank: rank), try id(pair.right, rank: rank))
      let merge = Merge(rank: Int32(rank), joined: try id(pair.left + pair.right, rank: rank))
      if let earlier = table.updateValue(merge, forKey: key(left, right)) {
        throw TokenizerError(
          .duplicateMerge, file: file, expected: "every merge once",
          found: "\(quotation(pair.left + " " + pair.right)) as merge \(earlier.rank + 1) and \(rank + 1)",
          remedy: TokenizerRule.replaceFile)
      }
    }
    return table
  }
}
