public import Failures
import Files
import Texts

/// SigLIP's tokenizer: SentencePiece unigrams of canonicalised text.
///
/// The pieces of the likeliest segmentation, the end token `</s>`, and the end token again up to the context's length:
/// SigLIP was trained so and attends to all of it.
public struct SigLIPTokenizer: TextTokenizer {
  /// By whose rules text is cleaned and split.
  public enum Rules: Sendable, CaseIterable {
    /// Those of OpenCLIP's `HFTokenizer(…, clean="canonicalize")`: ``TextCleaning/canonicalized(_:)``, and no text
    /// becomes a token of the library's own use.
    case openCLIP
    /// Those of transformers' `SiglipTokenizer` (5.24): lower case, ASCII punctuation deleted, white space runs made one
    /// space, nothing repaired. Its special tokens are found in text as it stands, and text behind one of them begins no
    /// word.
    case transformers
  }

  /// Splits canonicalised text into pieces.
  enum Segmenter: Sendable {
    case library(SentencePieceModel)
    case own(UnigramVocabulary)

    var pieceCount: Int {
      switch self {
      case .library(let model): model.pieceCount
      case .own(let vocabulary): vocabulary.pieceCount
      }
    }

    var endID: Int32 {
      switch self {
      case .library(let model): model.endID
      case .own(let vocabulary): vocabulary.endID
      }
    }

    var unknownID: Int32 {
      switch self {
      case .library(let model): model.unknownID
      case .own(let vocabulary): vocabulary.unknownID
      }
    }

    func ids(of text: [Unicode.Scalar]) throws(TokenizerError) -> [Int32] {
      let bytes = text.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
      return switch self {
      case .library(let model): try model.ids(of: bytes, limit: .max)
      case .own(let vocabulary): vocabulary.ids(of: bytes)
      }
    }
  }

  static let modelName = "spiece.model"
  static let tokenizerName = "tokenizer.json"

  private let segmenter: Segmenter
  private let rules: Rules
  private let added: AddedTokens
  private let framing: Framing
  /// What transformers puts before text, so that SentencePiece begins no word there, and how many pieces it is.
  private let lead: [Unicode.Scalar]
  private let leadCount: Int

  /// Loads what a model folder has: `spiece.model`, else `tokenizer.json`.
  /// - Throws: `.missingFiles` naming both when neither is there, else what is wrong with the file that is.
  public static func load(folder: String, rules: Rules = .openCLIP) throws(TokenizerError) -> SigLIPTokenizer {
    func path(_ name: String) -> String { FileTree.join(folder, name) }
    if FileTree.exists(path(modelName)) {
      return try SigLIPTokenizer(
        segmenter: .library(try SentencePieceModel(file: path(modelName))), rules,
        TokenizerSettings(folder: folder, document: nil))
    }
    if FileTree.exists(path(tokenizerName)) {
      return try SigLIPTokenizer(document: TokenizerSettings.document(folder), folder: folder, rules: rules)
    }
    throw TokenizerError(
      .missingFiles, file: folder, expected: "\(modelName) or \(tokenizerName)", found: "neither",
      remedy: "copy the model's tokenizer file there, or give \(Subject.textEmbeddings)")
  }

  private init(segmenter: Segmenter, _ rules: Rules, _ settings: TokenizerSettings) throws(TokenizerError) {
    self.segmenter = segmenter
    self.rules = rules
    let (endID, unknownID) = (segmenter.endID, segmenter.unknownID)
    var tokens: [AddedToken]
    switch rules {
    case .openCLIP:
      // Those behind the pieces, as a token that is a piece is for the library's own use.
      tokens = settings.tokens.filter { $0.id >= segmenter.pieceCount }
    case .transformers:
      let (end, unknown) = ("</s>", "<unk>")
      tokens = settings.addedTokens(parts: ["eos_token": end, "pad_token": end, "unk_token": unknown]) { content in
        content == end ? endID : content == unknown ? unknownID : nil
      }
    }
    tokens.removeAll { Self.isReserved($0.content) }
    // They are found in the text as it stands.
    for index in tokens.indices { tokens[index].isNormalized = false }
    added = AddedTokens(tokens) { $0 }
    framing = Framing(
      prefix: [], suffix: [endID], padding: endID, padsLeft: settings.padsLeft, cutsStart: settings.cutsStart)
    lead = Array(settings.content(of: "unk_token", default: "<unk>").unicodeScalars)
    leadCount = rules == .transformers ? try segmenter.ids(of: lead).count : 0
  }

  /// T5's tokenizers, whose files SigLIP's are, reserve a hundred of these, which the text tower may have no rows for.
  private static func isReserved(_ content: String) -> Bool { content.begins(with: "<extra_id_") }

  /// Reads a `tokenizer.json` and what stands beside it.
  init(document: TokenizerJSON, folder: String, rules: Rules = .openCLIP) throws(TokenizerError) {
    try self.init(
      segmenter: .own(UnigramVocabulary(document: document)), rules,
      TokenizerSettings(folder: folder, document: document))
  }

  public var name: String { "SentencePiece unigrams" }

  /// The id of the end-of-text token, which is also the padding.
  public var endID: Int32 { segmenter.endID }

  public var idCount: Int {
    switch segmenter {
    case .library(let model): max(model.pieceCount, added.idCount)
    case .own(let vocabulary): max(vocabulary.idCount, added.idCount)
    }
  }

  /// The ids of the text, the end token, then end tokens as padding. Longer texts are cut so that the end token comes
  /// last.
  /// - Parameter contextLength: the number of ids returned, at least 1.
  public func tokenize(_ text: String, contextLength: Int) throws(TokenizerError) -> TokenizedPrompt {
    precondition(contextLength >= 1, "a context holds at least the end token")
    var ids: [Int32]
    switch rules {
    case .openCLIP: ids = try openCLIPIDs(of: Array(text.unicodeScalars))
    case .transformers:
      ids = try transformersIDs(of: Array(text.unicodeScalars))
      // A text that ends in the end token has its frame.
      if ids.last == endID { ids.removeLast() }
    }
    return framing.framed(ids, contextLength: contextLength)
  }

  private func openCLIPIDs(of text: [Unicode.Scalar]) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for piece in added.pieces(of: text, normalize: TextCleaning.canonicalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let cleaned): ids += try segmenter.ids(of: cleaned)
      }
    }
    return ids
  }

  private func transformersIDs(of text: [Unicode.Scalar]) throws(TokenizerError) -> [Int32] {
    // The mark that begins a word stands before the whole text, and for a space within it.
    let mark: Unicode.Scalar = "\u{2581}"
    var ids: [Int32] = []
    for piece in added.pieces(of: [mark] + text.map { $0 == mark ? " " : $0 }, normalize: { $0 }) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let between):
        ids += try segmenter.ids(of: lead + TextCleaning.withoutPunctuation(between)).dropFirst(leadCount)
      }
    }
    return ids
  }
}
