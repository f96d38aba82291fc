import Failures

extension BytePairVocabulary {
  /// The file names of the layouts, in the order in which they are looked for.
  static let vocabularyName = "vocab.json"
  static let mergesName = "merges.txt"
  static let tokenizerName = "tokenizer.json"
  static let packedMergesName = "bpe_simple_vocab_16e6.txt.gz"

  /// The largest files read, in bytes; CLIP's own are 0.9, 0.5, 3.6 and 1.4 MB, the last 3.2 MB unpacked.
  private static let textLimit = 32 << 20
  private static let tokenizerLimit = 64 << 20
  private static let packedLimit = 16 << 20

  /// How many merges OpenCLIP takes from its list, which goes on with ones that CLIP was not trained with.
  private static let packedMergeCount = 48_894

  /// Hugging Face's pair of files: an object of ids by symbol, and a list of merges.
  init(vocabularyFile: String, mergesFile: String) throws(TokenizerError) {
    let ids = try TokenizerJSON(
      file: vocabularyFile, limit: Self.textLimit, content: "an object of integer ids by token"
    ).integers()
    let merges = try MergeList.parse(TextFile.read(mergesFile, limit: Self.textLimit), file: mergesFile)
    try self.init(ids: ids, merges: merges, file: vocabularyFile, mergesFile: mergesFile)
  }

  /// Hugging Face's `tokenizer.json`, as far as it describes CLIP's byte pairs.
  init(tokenizerFile file: String) throws(TokenizerError) {
    let document = try TokenizerJSON(
      file: file, limit: Self.tokenizerLimit,
      content: "“model” with its “type”, “vocab” with ids by token and “merges” with pairs")
    // The kind first: the vocabulary of another kind has another type.
    let model = try document.required("model")
    try Self.checkKind(of: model, file: file)
    var ids = try model.required("vocab").integers()
    for token in try document.optional("added_tokens")?.elements() ?? [] {
      let content = try token.required("content").string()
      let id = try token.required("id").integer()
      guard let known = ids.updateValue(id, forKey: content), known != id else { continue }
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "one id for \(quotation(content))",
        found: "\(known) in “model.vocab”, \(id) in “added_tokens”", remedy: TokenizerRule.replaceFile)
    }
    let list = try model.required("merges").elements()
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(list.count)
    for (rank, merge) in list.enumerated() {
      merges.append(try Self.merge(merge, place: "“model.merges”, item \(rank)", file: file))
    }
    try self.init(ids: ids, merges: merges, file: file, mergesFile: file)
  }

  /// OpenAI's packed list of merges, as OpenCLIP reads it: ids are the bytes in ``ByteSymbols/order``, the same with
  /// the end-of-word mark, one for each merge, and the start and end tokens.
  init(packedMergesFile file: String) throws(TokenizerError) {
    let bytes = try Gunzip.unpack(
      TextFile.bytes(file, limit: Self.packedLimit), file: file, limit: Self.textLimit)
    let merges = try MergeList.parse(
      TextFile.text(bytes, file: file), file: file, limit: Self.packedMergeCount)
    var symbols = ByteSymbols.characters + ByteSymbols.characters.map { $0 + ByteSymbols.endOfWord }
    symbols += merges.map { $0.left + $0.right }
    symbols += ["<start_of_text>", "<end_of_text>"]
    var ids: [String: Int] = [:]
    ids.reserveCapacity(symbols.count)
    for (id, symbol) in symbols.enumerated() {
      guard let earlier = ids.updateValue(id, forKey: symbol) else { continue }
      throw TokenizerError(
        .duplicateSymbol, file: file, expected: "merges that make different symbols",
        found: "\(quotation(symbol)) as id \(earlier) and \(id)", remedy: TokenizerRule.replaceFile)
    }
    try self.init(ids: ids, merges: merges, file: file, mergesFile: file)
  }

  /// Refuses a `tokenizer.json` of another kind than CLIP's.
  private static func checkKind(of model: TokenizerJSON, file: String) throws(TokenizerError) {
    let required = [
      ("type", "BPE"), ("end_of_word_suffix", ByteSymbols.endOfWord), ("continuing_subword_prefix", ""),
    ]
    for (field, expected) in required {
      let found = try model.optional(field)?.string()
      guard (found ?? "") != expected else { continue }
      throw TokenizerError(
        .unsupportedModel, file: file, expected: "“model.\(field)” “\(expected)”",
        found: found.map(quotation) ?? "none", remedy: "use the tokenizer of a CLIP model")
    }
  }

  /// A merge is written as one string with a space or, by newer versions, as an array of two.
  private static func merge(
    _ merge: TokenizerJSON, place: String, file: String
  ) throws(TokenizerError) -> (left: String, right: String) {
    if let text = merge.text { return try MergeList.pair(text[...], place: place, file: file) }
    var symbols: [String] = []
    for symbol in try merge.elements() { symbols.append(try symbol.string()) }
    guard symbols.count == 2, !symbols.contains("") else {
      throw MergeList.badMerge(place: place, file: file, found: "\(symbols.count) strings, or an empty one")
    }
    return (symbols[0], symbols[1])
  }
}
