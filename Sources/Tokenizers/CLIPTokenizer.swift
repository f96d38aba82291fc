public import Failures
import Files

/// CLIP's byte-pair tokenizer, by the rules of the library that wrote the folder.
public struct CLIPTokenizer: TextTokenizer {
  /// Whose ids the tokenizer's are.
  public enum Rules: Sendable, Equatable {
    /// Those of `open_clip.SimpleTokenizer` (3.3), whatever layout the vocabulary came in, with these deliberate
    /// differences:
    /// - text never yields the start or end token: `<start_of_text>` in a prompt is split like other text;
    /// - mojibake is not repaired, and nested HTML references are unfolded through at most 16 layers;
    /// - tokens that the folder adds to the vocabulary are found, where OpenCLIP knows none.
    case openCLIP
    /// Those of transformers' `CLIPTokenizer` (5.24) after OpenCLIP's `HFTokenizer` has cleaned the text, or nothing
    /// has: NFC, white space made one space, lower case character by character, and the folder's added tokens, the
    /// start and the end token among them, found as they stand.
    case huggingFace(PromptCleaning)
  }

  private let vocabulary: BytePairVocabulary
  private let rules: Rules
  private let added: AddedTokens
  private let framing: Framing
  public let name: String

  /// Loads what a model folder has, by OpenCLIP's rules.
  /// - Throws: as ``load(folder:rules:bringsVocabulary:)``.
  public static func load(folder: String) throws(TokenizerError) -> CLIPTokenizer {
    try load(folder: folder, rules: .openCLIP)
  }

  /// Loads what a model folder has: `vocab.json` with `merges.txt`, `tokenizer.json`, `bpe_simple_vocab_16e6.txt.gz`, in
  /// this order by OpenCLIP's rules, by Hugging Face's `tokenizer.json` first; and what stands beside it of added tokens.
  /// - Parameter bringsVocabulary: whether OpenAI's vocabulary stands in where the folder has no tokenizer file at all,
  ///   as OpenCLIP does whatever a folder has.
  /// - Throws: `.missingFiles` naming all three when none is there, else what is wrong with the files that are.
  public static func load(
    folder: String, rules: Rules, bringsVocabulary: Bool = false
  ) throws(TokenizerError) -> CLIPTokenizer {
    func path(_ name: String) -> String { FileTree.join(folder, name) }
    typealias Vocabulary = BytePairVocabulary
    let ids = path(Vocabulary.vocabularyName)
    let merges = path(Vocabulary.mergesName)
    let tokenizer = path(Vocabulary.tokenizerName)
    let packed = path(Vocabulary.packedMergesName)
    let hasPair = FileTree.exists(ids) && FileTree.exists(merges)
    let hasTokenizer = FileTree.exists(tokenizer)
    if hasTokenizer, !hasPair || rules != .openCLIP {
      return try CLIPTokenizer(document: TokenizerSettings.document(folder), folder: folder, rules: rules)
    }
    if hasPair {
      let settings = try TokenizerSettings(folder: folder, document: nil)
      return CLIPTokenizer(
        try Vocabulary(vocabularyFile: ids, mergesFile: merges, added: settings.tokens), settings, rules: rules)
    }
    if FileTree.exists(packed) {
      return CLIPTokenizer(try Vocabulary(packedMergesFile: packed), TokenizerSettings(), rules: rules)
    }
    if bringsVocabulary, ![ids, merges].contains(where: FileTree.exists), FileTree.exists(folder) {
      return CLIPTokenizer(
        try Vocabulary.openAI(), TokenizerSettings(), rules: rules, name: "OpenAI's CLIP byte pairs, compiled in")
    }
    let half = [Vocabulary.vocabularyName, Vocabulary.mergesName].first { FileTree.exists(path($0)) }
    throw TokenizerError(
      .missingFiles, file: folder,
      expected: "\(Vocabulary.vocabularyName) with \(Vocabulary.mergesName), or \(Vocabulary.tokenizerName), or "
        + Vocabulary.packedMergesName,
      found: half.map { "\($0) alone" } ?? "none of them",
      remedy: "copy the model's tokenizer files there, or give \(Subject.textEmbeddings)")
  }

  /// OpenAI's vocabulary by OpenCLIP's rules, which needs no files.
  package static func openAI() throws(TokenizerError) -> CLIPTokenizer {
    CLIPTokenizer(
      try BytePairVocabulary.openAI(), TokenizerSettings(), rules: .openCLIP,
      name: "OpenAI's CLIP byte pairs, compiled in")
  }

  /// Reads a `tokenizer.json` and what stands beside it.
  init(document: TokenizerJSON, folder: String, rules: Rules) throws(TokenizerError) {
    let settings = try TokenizerSettings(folder: folder, document: document)
    self.init(try BytePairVocabulary(document: document, added: settings.tokens), settings, rules: rules)
  }

  private init(
    _ vocabulary: BytePairVocabulary, _ settings: TokenizerSettings, rules: Rules, name: String = "CLIP byte pairs"
  ) {
    self.name = name
    self.vocabulary = vocabulary
    self.rules = rules
    var tokens = settings.addedTokens(
      parts: [
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
      ]) { vocabulary.baseIDs[$0] }
    if rules == .openCLIP {
      // Of tokens that the vocabulary has of itself, OpenCLIP makes nothing special.
      let frame = [vocabulary.startID, vocabulary.endID]
      tokens.removeAll { vocabulary.baseIDs[$0.content] != nil || frame.contains(Int32($0.id)) }
    }
    added = AddedTokens(tokens, normalize: rules.normalized)
    framing = Framing(
      prefix: [vocabulary.startID], suffix: [vocabulary.endID], padding: 0,
      cutsStart: rules != .openCLIP && settings.cutsStart)
  }

  /// The id of the start-of-text token.
  public var startID: Int32 { vocabulary.startID }

  /// The id of the end-of-text token.
  public var endID: Int32 { vocabulary.endID }

  public var idCount: Int { max(vocabulary.idCount, added.idCount) }

  /// The model's input for `text`: start token, the ids of the text, end token, then zeros.
  ///
  /// Longer texts are cut so that the end token comes last. Hugging Face pads with the end token: pads behind it do not
  /// affect the text's embedding.
  /// - Parameter contextLength: the number of ids returned, at least 2.
  public func tokenize(_ text: String, contextLength: Int) -> TokenizedPrompt {
    precondition(contextLength >= 2, "a context holds at least the start and the end token")
    return framing.framed(ids(of: text), contextLength: contextLength)
  }

  /// The ids of ``tokenize(_:contextLength:)`` alone.
  public func encode(_ text: String, contextLength: Int) -> [Int32] {
    tokenize(text, contextLength: contextLength).ids
  }

  /// The ids of the cleaned text alone, neither framed nor cut.
  public func ids(of text: String) -> [Int32] {
    let cleaning: PromptCleaning = if case .huggingFace(let named) = rules { named } else { .none }
    var ids: [Int32] = []
    for piece in added.pieces(of: cleaning.cleaned(text), normalize: rules.normalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let scalars):
        for word in WordSplitter(scalars, ignoresCase: rules == .openCLIP) {
          ids += vocabulary.ids(ofPiece: word.flatMap { UTF8.encode($0).map(Array.init) ?? [] }, order: rules.order)
        }
      }
    }
    return ids
  }
}

extension CLIPTokenizer.Rules {
  /// What is done to text between added tokens.
  fileprivate func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    switch self {
    case .openCLIP: TextCleaning.cleaned(String(String.UnicodeScalarView(text)))
    case .huggingFace: UnicodeText.lowercasedEach(TextCleaning.withPlainSpaces(UnicodeText.composed(text)))
    }
  }

  fileprivate var order: MergeTable.Order {
    switch self {
    case .openCLIP: .rankByRank
    case .huggingFace: .immediate
    }
  }
}
