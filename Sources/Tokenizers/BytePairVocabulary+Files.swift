import CCLIPMerges
import Failures
import Texts

extension BytePairVocabulary {
  /// The file names of the layouts, in the order in which they are looked for.
  static let vocabularyName = "vocab.json"
  static let mergesName = "merges.txt"
  static let tokenizerName = TokenizerSettings.tokenizerName
  static let packedMergesName = "bpe_simple_vocab_16e6.txt.gz"

  /// The largest files read, in bytes; CLIP's own are 0.9, 0.5 and 1.4 MB, the last 3.2 MB unpacked.
  private static let textLimit = 32 << 20
  private static let packedLimit = 16 << 20

  /// How many merges OpenCLIP takes from its list, which goes on with ones that CLIP was not trained with.
  private static let packedMergeCount = 48_894

  /// Hugging Face's pair of files: an object of ids by symbol, and a list of merges.
  /// - Parameter added: tokens of files beside these.
  init(vocabularyFile: String, mergesFile: String, added: [AddedToken] = []) throws(TokenizerError) {
    let ids = try TokenizerJSON(
      file: vocabularyFile, limit: Self.textLimit, content: "an object of integer ids by token"
    ).integers()
    let merges = try MergeList.parse(TextFile.read(mergesFile, limit: Self.textLimit), file: mergesFile)
    try self.init(
      ids: Self.merging(added, into: ids, of: "the vocabulary", file: vocabularyFile), merges: merges, base: ids,
      file: vocabularyFile, mergesFile: mergesFile)
  }

  /// Hugging Face's `tokenizer.json`, as far as it describes CLIP's byte pairs.
  /// - Parameter added: its added tokens, or those of files beside it.
  init(document: TokenizerJSON, added: [AddedToken]) throws(TokenizerError) {
    let file = document.file
    // The kind first: the vocabulary of another kind has another type.
    let model = try document.required("model")
    try Self.checkKind(of: model, file: file)
    let ids = try model.required("vocab").integers()
    let merges = try MergeList.merges(of: model)
    try self.init(
      ids: Self.merging(added, into: ids, of: "“model.vocab”", file: file), merges: merges, base: ids, file: file,
      mergesFile: file)
  }

  private static func merging(
    _ added: [AddedToken], into ids: TextTable<Int>, of place: String, file: String
  ) throws(TokenizerError) -> TextTable<Int> {
    var ids = ids
    for token in added {
      guard let known = ids.updateValue(token.id, forKey: token.content), known != token.id else { continue }
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "one id for \(quotation(token.content))",
        found: "\(known) in \(place), \(token.id) among the added tokens", remedy: TokenizerRule.replaceFile)
    }
    return ids
  }

  /// OpenAI's packed list of merges, as OpenCLIP reads it.
  init(packedMergesFile file: String) throws(TokenizerError) {
    let bytes = try Gunzip.unpack(
      TextFile.bytes(file, limit: Self.packedLimit), file: file, limit: Self.textLimit)
    try self.init(
      merges: MergeList.parse(TextFile.text(bytes, file: file), file: file, limit: Self.packedMergeCount), file: file)
  }

  /// The vocabulary of OpenAI's CLIP, which is compiled in as the ids of each merge's halves (CCLIPMerges).
  static func openAI() throws(TokenizerError) -> BytePairVocabulary {
    let name = "the vocabulary of OpenAI's CLIP in this program"
    let packed = unsafe Array(
      UnsafeBufferPointer(start: legrad_clip_merges_bytes(), count: legrad_clip_merges_count()))
    let halves = try Gunzip.unpack(packed, file: name, limit: 4 * packedMergeCount)
    guard halves.count == 4 * packedMergeCount else {
      throw TokenizerError.badGzip(name, found: "\(halves.count) bytes")
    }
    func id(_ half: Int, _ merge: Int) -> Int {
      let low = 2 * half * packedMergeCount + merge
      return Int(halves[low]) | Int(halves[low + packedMergeCount]) << 8
    }
    var symbols = ByteSymbols.characters + ByteSymbols.characters.map { $0 + ByteSymbols.endOfWord }
    symbols.reserveCapacity(symbols.count + packedMergeCount)
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(packedMergeCount)
    for merge in 0..<packedMergeCount {
      let (left, right) = (id(0, merge), id(1, merge))
      guard max(left, right) < symbols.count else {
        throw MergeList.badMerge(place: "merge \(merge)", file: name, found: "a half that comes later")
      }
      merges.append((symbols[left], symbols[right]))
      symbols.append(symbols[left] + symbols[right])
    }
    return try BytePairVocabulary(merges: merges, file: name)
  }

  /// Ids are the bytes in ``ByteSymbols/order``, the same with the end-of-word mark, one for each merge, and the start
  /// and end tokens.
  private init(merges: [(left: String, right: String)], file: String) throws(TokenizerError) {
    var symbols = ByteSymbols.characters + ByteSymbols.characters.map { $0 + ByteSymbols.endOfWord }
    symbols += merges.map { $0.left + $0.right }
    symbols += ["<start_of_text>", "<end_of_text>"]
    var ids: TextTable<Int> = [:]
    ids.reserveCapacity(symbols.count)
    for (id, symbol) in symbols.enumerated() {
      guard let earlier = ids.updateValue(id, forKey: symbol) else { continue }
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "merges that make different symbols",
        found: "\(quotation(symbol)) as id \(earlier) and \(id)", remedy: TokenizerRule.replaceFile)
    }
    try self.init(ids: ids, merges: merges, base: ids, file: file, mergesFile: file)
  }

  /// Refuses a `tokenizer.json` of another kind than CLIP's.
  private static func checkKind(of model: TokenizerJSON, file: String) throws(TokenizerError) {
    let required = [
      ("type", "BPE"), ("end_of_word_suffix", ByteSymbols.endOfWord), ("continuing_subword_prefix", ""),
    ]
    for (field, expected) in required {
      let found = try model.optional(field)?.name()
      guard (found ?? "") != expected else { continue }
      throw TokenizerError(
        .unsupportedModel, file: file, expected: "“model.\(field)” “\(expected)”",
        found: found.map(quotation) ?? "none",
        remedy: "use the tokenizer of a CLIP model, or give \(Subject.textEmbeddings)")
    }
  }
}
