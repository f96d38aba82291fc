import Failures
import Texts

/// Gemma's tokenizer, which SigLIP 2 reads with: byte pairs of characters, spaces made `▁` and none put in front, bytes
/// for characters that the vocabulary lacks.
///
/// The ids equal those of transformers 5.24 and, behind a cleaning, of OpenCLIP's `HFTokenizer` (3.3). Whether text is
/// made lower case is the folder's class: `GemmaTokenizer` keeps the case and `Siglip2Tokenizer` does not, whatever
/// tokenizer.json says; for any other class tokenizer.json says.
public struct GemmaTokenizer: TextTokenizer {
  private let vocabulary: GemmaVocabulary
  private let added: AddedTokens
  private let framing: Framing
  private let cleaning: PromptCleaning
  private let lowercases: Bool

  /// The tokens with a part to play where a folder does not say.
  private static let parts = [
    "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
  ]

  /// Reads a `tokenizer.json` and what stands beside it.
  /// - Parameters:
  ///   - cleaning: what is done to text first.
  ///   - className: the class that reads the folder whatever it says; nil for the folder's.
  init(
    document: TokenizerJSON, folder: String, cleaning: PromptCleaning, className: String?
  ) throws(TokenizerError) {
    let settings = try TokenizerSettings(folder: folder, document: document)
    let vocabulary = try GemmaVocabulary(document: document)
    func id(_ token: String) -> Int32? {
      vocabulary.symbols[token] ?? settings.tokens.first { TextKey($0.content) == TextKey(token) }.map { Int32($0.id) }
    }
    switch className ?? settings.className {
    case "GemmaTokenizer": lowercases = false
    case "Siglip2Tokenizer": lowercases = true
    default: lowercases = try GemmaVocabulary.lowercases(document)
    }
    var frame = try TextFrame(document)
    if settings.addsStart != nil || settings.addsEnd != nil {
      func token(_ part: String) -> String { settings.content(of: part, default: Self.parts[part] ?? "") }
      frame = TextFrame(
        prefix: settings.addsStart == true ? [token("bos_token")] : [],
        suffix: settings.addsEnd == true ? [token("eos_token")] : [])
    }
    let padding = settings.content(of: "pad_token", default: "<pad>")
    framing = try frame.framing(
      padding: id(padding) ?? 0, sides: settings, file: document.file, id: id)
    self.vocabulary = vocabulary
    self.cleaning = cleaning
    let lowers = lowercases
    added = AddedTokens(settings.addedTokens(parts: Self.parts) { vocabulary.symbols[$0] }) {
      Self.normalized($0, lowercases: lowers)
    }
  }

  public var name: String { "Gemma byte pairs" }

  public var idCount: Int { max(vocabulary.symbols.idCount, added.idCount) }

  /// The ids of the text, the end token, then padding. Longer texts are cut so that the end token comes last.
  /// - Parameter contextLength: the number of ids returned, at least 1.
  public func tokenize(_ text: String, contextLength: Int) -> TokenizedPrompt {
    precondition(contextLength >= 1, "a context holds at least the end token")
    var ids: [Int32] = []
    for piece in added.pieces(of: cleaning.cleaned(text), normalize: normalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let scalars): ids += vocabulary.ids(of: scalars)
      }
    }
    return framing.framed(ids, contextLength: contextLength)
  }

  private func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    Self.normalized(text, lowercases: lowercases)
  }

  private static func normalized(_ text: [Unicode.Scalar], lowercases: Bool) -> [Unicode.Scalar] {
    let cased = lowercases ? UnicodeText.lowercasedEach(text) : text
    return cased.map { $0 == " " ? "\u{2581}" : $0 }
  }
}

/// Characters and bytes with ids, and their merges.
struct GemmaVocabulary: Sendable {
  let symbols: SymbolTable
  private let characters: [Unicode.Scalar: Int32]
  /// By byte value; nil for bytes without a token.
  private let bytes: [Int32?]
  private let unknownID: Int32?
  private let fusesUnknown: Bool
  private let merges: MergeTable

  init(document: TokenizerJSON) throws(TokenizerError) {
    let file = document.file
    let model = try document.required("model")
    let entries = try model.required("vocab").entries()
    var symbols = SymbolTable(file: file, capacity: entries.count)
    for (token, id) in entries { try symbols.add(token, id: try id.integer()) }
    for (field, expected) in [("continuing_subword_prefix", ""), ("end_of_word_suffix", "")] {
      guard let found = try model.optional(field)?.name(), found != expected else { continue }
      throw TokenizerError(
        .unsupportedModel, file: file, expected: "“model.\(field)” “\(expected)”", found: quotation(found),
        remedy: TokenizerRule.giveEmbeddings)
    }
    guard try model.optional("ignore_merges")?.boolean() != true else {
      throw TokenizerError(
        .unsupportedModel, file: file, expected: "“model.ignore_merges” false", found: "true",
        remedy: TokenizerRule.giveEmbeddings)
    }
    let table = symbols
    merges = try MergeTable(MergeList.merges(of: model), file: file) { table[$0] }
    var characters: [Unicode.Scalar: Int32] = [:]
    for (token, id) in table.entries {
      let scalars = token.unicodeScalars
      if let first = scalars.first, scalars.index(after: scalars.startIndex) == scalars.endIndex {
        characters[first] = id
      }
    }
    let hasBytes = try model.optional("byte_fallback")?.boolean() ?? false
    bytes = (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return hasBytes ? table["<0x" + (digits.count < 2 ? "0" : "") + digits + ">"] : nil
    }
    if let unknown = try model.optional("unk_token")?.string() {
      guard let id = table[unknown] else {
        throw TokenizerError(
          .missingSpecialToken, file: file, expected: "“model.unk_token” \(quotation(unknown)) in “model.vocab”",
          found: "none", remedy: TokenizerRule.replaceFile)
      }
      unknownID = id
    } else {
      unknownID = nil
    }
    fusesUnknown = try model.optional("fuse_unk")?.boolean() ?? false
    self.symbols = table
    self.characters = characters
  }

  /// The ids of normalised text, which is one piece.
  func ids(of text: [Unicode.Scalar]) -> [Int32] {
    var symbols: [Int32] = []
    symbols.reserveCapacity(text.count)
    // An unknown one waits for those that it is one with; bytes do not end its wait.
    var unknown: Int32?
    for scalar in text {
      if let id = characters[scalar] {
        if let waiting = unknown { symbols.append(waiting) }
        unknown = nil
        symbols.append(id)
        continue
      }
      let fallback = UTF8.encode(scalar).map { $0.map { bytes[Int($0)] } } ?? [nil]
      if !fallback.contains(nil) {
        symbols += fallback.compactMap(\.self)
      } else if let unknownID {
        if let waiting = unknown, !fusesUnknown { symbols.append(waiting) }
        unknown = unknownID
      }
    }
    if let unknown { symbols.append(unknown) }
    return merges.joined(symbols, order: .immediate)
  }

  /// Whether the file's normaliser makes text lower case, and does else what Gemma's does.
  static func lowercases(_ document: TokenizerJSON) throws(TokenizerError) -> Bool {
    func unsupported(_ found: String) -> TokenizerError {
      TokenizerError(
        .unsupportedModel, file: document.file,
        expected: "“normalizer” Replace of spaces by “▁”, alone or after Lowercase", found: found,
        remedy: TokenizerRule.giveEmbeddings)
    }
    guard let normalizer = try document.optional("normalizer") else { throw unsupported("none") }
    var steps = [normalizer]
    if try normalizer.required("type").name() == "Sequence" {
      steps = try normalizer.required("normalizers").elements()
    }
    var (lowercases, replaces) = (false, false)
    for step in steps {
      switch try step.required("type").name() {
      case "Lowercase": lowercases = true
      case "Replace":
        guard try step.required("pattern").optional("String")?.name() == " ",
          try step.required("content").name() == "\u{2581}"
        else { throw unsupported("another Replace") }
        replaces = true
      case let other: throw unsupported(quotation(other))
      }
    }
    guard replaces else { throw unsupported("no Replace") }
    if let splitter = try document.optional("pre_tokenizer") {
      let pattern = try splitter.optional("pattern")?.optional("String")?.name()
      guard try splitter.required("type").name() == "Split", pattern == " " else {
        throw TokenizerError(
          .unsupportedModel, file: document.file, expected: "“pre_tokenizer” Split at spaces, or none",
          found: quotation(try splitter.required("type").name()), remedy: TokenizerRule.giveEmbeddings)
      }
    }
    return lowercases
  }
}
