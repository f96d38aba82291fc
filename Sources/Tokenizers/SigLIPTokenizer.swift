public import Failures
import Files

/// SigLIP's tokenizer: SentencePiece unigrams of canonicalised text.
///
/// The ids equal those of OpenCLIP's `HFTokenizer(…, clean="canonicalize")`: ``TextCleaning/canonicalized(_:)``, the
/// pieces of the likeliest segmentation, the end token `</s>`, and the end token again up to the context's length:
/// SigLIP was trained so and attends to all of it. Hugging Face's own `SiglipTokenizer` deletes `_` where this makes it
/// a space.
public struct SigLIPTokenizer: TextTokenizer {
  /// Splits canonicalised text into pieces.
  enum Segmenter: Sendable {
    case library(SentencePieceModel)
    case own(UnigramVocabulary)
  }

  static let modelName = "spiece.model"
  static let tokenizerName = "tokenizer.json"

  private let segmenter: Segmenter
  private let added: AddedTokens

  /// Loads what a model folder has: `spiece.model`, else `tokenizer.json`.
  /// - Throws: `.missingFiles` naming both when neither is there, else what is wrong with the file that is.
  public static func load(folder: String) throws(TokenizerError) -> SigLIPTokenizer {
    func path(_ name: String) -> String { FileTree.join(folder, name) }
    if FileTree.exists(path(modelName)) {
      return try SigLIPTokenizer(
        segmenter: .library(try SentencePieceModel(file: path(modelName))),
        TokenizerSettings(folder: folder, document: nil))
    }
    if FileTree.exists(path(tokenizerName)) {
      return try SigLIPTokenizer(document: TokenizerSettings.document(folder), folder: folder)
    }
    throw TokenizerError(
      .missingFiles, file: folder, expected: "\(modelName) or \(tokenizerName)", found: "neither",
      remedy: "copy the model's tokenizer file there, or give \(Subject.textEmbeddings)")
  }

  private init(segmenter: Segmenter, _ settings: TokenizerSettings) {
    self.segmenter = segmenter
    let pieceCount =
      switch segmenter {
      case .library(let model): model.pieceCount
      case .own(let vocabulary): vocabulary.pieceCount
      }
    // Those behind the pieces, in the text as it stands, as transformers' SiglipTokenizer finds them: a token that is a
    // piece is for the library's own use, and no text becomes it.
    var tokens = settings.tokens.filter { $0.id >= pieceCount && !Self.isReserved($0.content) }
    for index in tokens.indices { tokens[index].isNormalized = false }
    added = AddedTokens(tokens, normalize: TextCleaning.canonicalized)
  }

  /// T5's tokenizers, whose files SigLIP's are, reserve a hundred of these, which the text tower may have no rows for.
  private static func isReserved(_ content: String) -> Bool { content.hasPrefix("<extra_id_") }

  /// Reads a `tokenizer.json` and what stands beside it.
  init(document: TokenizerJSON, folder: String) throws(TokenizerError) {
    try self.init(
      segmenter: .own(UnigramVocabulary(document: document)), TokenizerSettings(folder: folder, document: document))
  }

  public var name: String { "SentencePiece unigrams" }

  /// The id of the end-of-text token, which is also the padding.
  public var endID: Int32 {
    switch segmenter {
    case .library(let model): model.endID
    case .own(let vocabulary): vocabulary.endID
    }
  }

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
    return Framing(prefix: [], suffix: [endID], padding: endID).framed(try ids(of: text), contextLength: contextLength)
  }

  private func ids(of text: String) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for piece in added.pieces(of: Array(text.unicodeScalars), normalize: TextCleaning.canonicalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let scalars):
        let bytes = scalars.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
        switch segmenter {
        case .library(let model): ids += try model.ids(of: bytes, limit: .max)
        case .own(let vocabulary): ids += vocabulary.ids(of: bytes)
        }
      }
    }
    return ids
  }
}
