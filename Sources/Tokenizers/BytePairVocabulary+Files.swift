import FoundationEssentials

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

  /// Hugging Face's pair of files: an object of ids by symbol, and a list of merges. Of a symbol that stands twice in
  /// the object, the first counts.
  init(vocabularyFile: String, mergesFile: String) throws(TokenizerError) {
    let ids: [String: Int] = try Self.decode(
      FileBytes.readText(vocabularyFile, limit: Self.textLimit), file: vocabularyFile,
      expected: "an object of integer ids by token")
    let merges = try MergeList.parse(FileBytes.readText(mergesFile, limit: Self.textLimit), file: mergesFile)
    try self.init(ids: ids, merges: merges, file: vocabularyFile, mergesFile: mergesFile)
  }

  /// Hugging Face's `tokenizer.json`, as far as it describes CLIP's byte pairs.
  init(tokenizerFile file: String) throws(TokenizerError) {
    let text = try FileBytes.readText(file, limit: Self.tokenizerLimit)
    // The kind first: the vocabulary of another kind has another type.
    let kind: TokenizerFile.Kind = try Self.decode(text, file: file, expected: "an object “model” with its “type”")
    try kind.check(file: file)
    let content: TokenizerFile = try Self.decode(
      text, file: file, expected: "“model.vocab” with ids by token and “model.merges” with pairs")
    var ids = content.model.vocab
    for token in content.addedTokens ?? [] {
      guard let known = ids.updateValue(token.id, forKey: token.content), known != token.id else { continue }
      throw TokenizerError(
        reason: .duplicateSymbol, file: file, expected: "one id for “\(printable(token.content))”",
        found: "\(known) in “model.vocab”, \(token.id) in “added_tokens”", remedy: TokenizerError.replaceFile)
    }
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(content.model.merges.count)
    for (rank, merge) in content.model.merges.enumerated() {
      merges.append(try merge.pair(place: "“model.merges”, item \(rank)", file: file))
    }
    try self.init(ids: ids, merges: merges, file: file, mergesFile: file)
  }

  /// OpenAI's packed list of merges, as OpenCLIP reads it: ids are the bytes in ``ByteSymbols/order``, the same with
  /// the end-of-word mark, one for each merge, and the start and end tokens.
  init(packedMergesFile file: String) throws(TokenizerError) {
    let bytes = try Gunzip.unpack(
      FileBytes.read(file, limit: Self.packedLimit), file: file, limit: Self.textLimit)
    let merges = try MergeList.parse(
      FileBytes.text(bytes, file: file), file: file, limit: Self.packedMergeCount)
    var symbols = ByteSymbols.characters + ByteSymbols.characters.map { $0 + ByteSymbols.endOfWord }
    symbols += merges.map { $0.left + $0.right }
    symbols += ["<start_of_text>", "<end_of_text>"]
    var ids: [String: Int] = [:]
    ids.reserveCapacity(symbols.count)
    for (id, symbol) in symbols.enumerated() {
      guard let earlier = ids.updateValue(id, forKey: symbol) else { continue }
      throw TokenizerError(
        reason: .duplicateSymbol, file: file, expected: "merges that make different symbols",
        found: "“\(printable(symbol))” as id \(earlier) and \(id)", remedy: TokenizerError.replaceFile)
    }
    try self.init(ids: ids, merges: merges, file: file, mergesFile: file)
  }

  private static func decode<Value: Decodable>(
    _ text: String, file: String, expected: String
  ) throws(TokenizerError) -> Value {
    do {
      return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    } catch {
      throw TokenizerError(
        reason: .badJSON, file: file, expected: "JSON: \(expected)", found: found(error),
        remedy: TokenizerError.replaceFile)
    }
  }

  private static func found(_ error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "the file" : "“\(path.map { printable($0.stringValue) }.joined(separator: "."))”"
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context):
      return "no “\(key.stringValue)” in \(place(context.codingPath))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "another type of value at \(place(context.codingPath))"
    case .dataCorrupted(let context) where !context.codingPath.isEmpty:
      return "an unusable value at \(place(context.codingPath))"
    default:
      return "text that is not JSON, or a number that is no integer"
    }
  }
}

/// The part of `tokenizer.json` that is read.
private struct TokenizerFile: Decodable {
  struct Model: Decodable {
    let vocab: [String: Int]
    let merges: [Merge]
  }

  struct AddedToken: Decodable {
    let id: Int
    let content: String
  }

  /// A merge is written as one string with a space or, by newer versions, as an array of two.
  enum Merge: Decodable {
    case text(String)
    case array([String])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .text(text)
      } else {
        self = .array(try container.decode([String].self))
      }
    }

    func pair(place: String, file: String) throws(TokenizerError) -> (left: String, right: String) {
      switch self {
      case .text(let text):
        return try MergeList.pair(text[...], place: place, file: file)
      case .array(let symbols):
        guard symbols.count == 2, !symbols.contains("") else {
          throw MergeList.badMerge(place: place, file: file, found: "\(symbols.count) strings, or an empty one")
        }
        return (symbols[0], symbols[1])
      }
    }
  }

  /// The fields that tell one kind of tokenizer from another.
  struct Kind: Decodable {
    struct Model: Decodable {
      let type: String?
      let suffix: String?
      let prefix: String?

      enum CodingKeys: String, CodingKey {
        case type
        case suffix = "end_of_word_suffix"
        case prefix = "continuing_subword_prefix"
      }
    }

    let model: Model

    func check(file: String) throws(TokenizerError) {
      func require(_ field: String, _ value: String?, _ expected: String) throws(TokenizerError) {
        guard (value ?? "") != expected else { return }
        throw TokenizerError(
          reason: .unsupportedModel, file: file, expected: "“model.\(field)” “\(expected)”",
          found: value.map { "“\(printable($0))”" } ?? "none", remedy: "use the tokenizer of a CLIP model")
      }
      try require("type", model.type, "BPE")
      try require("end_of_word_suffix", model.suffix, ByteSymbols.endOfWord)
      try require("continuing_subword_prefix", model.prefix, "")
    }
  }

  let model: Model
  let addedTokens: [AddedToken]?

  enum CodingKeys: String, CodingKey {
    case model
    case addedTokens = "added_tokens"
  }
}
