public import Failures
import Files

/// SigLIP's tokenizer: SentencePiece unigrams of canonicalised text.
///
/// The ids equal those of OpenCLIP's `HFTokenizer(…, clean="canonicalize")`: ``TextCleaning/canonicalized(_:)``, the
/// pieces of the likeliest segmentation, the end token `</s>`, and the end token again up to the context's length: SigLIP
/// was trained so and attends to all of it. Hugging Face's own `SiglipTokenizer` deletes `_` where this makes it a space.
public struct SigLIPTokenizer: TextTokenizer {
  /// Splits canonicalised text into pieces.
  enum Segmenter: Sendable {
    case library(SentencePieceModel)
    case own(UnigramVocabulary)
  }

  static let modelName = "spiece.model"
  static let tokenizerName = "tokenizer.json"

  private let segmenter: Segmenter

  /// Loads what a model folder has: `spiece.model`, else `tokenizer.json`.
  /// - Throws: `.missingFiles` naming both when neither is there, else what is wrong with the file that is.
  public static func load(folder: String) throws(TokenizerError) -> SigLIPTokenizer {
    func path(_ name: String) -> String { FileTree.join(folder, name) }
    if FileTree.exists(path(modelName)) {
      return SigLIPTokenizer(segmenter: .library(try SentencePieceModel(file: path(modelName))))
    }
    if FileTree.exists(path(tokenizerName)) {
      return try SigLIPTokenizer(document: TokenizerSettings.document(folder))
    }
    throw TokenizerError(
      .missingFiles, file: folder, expected: "\(modelName) or \(tokenizerName)", found: "neither",
      remedy: "copy the model's tokenizer file there, or give \(Subject.textEmbeddings)")
  }

  private init(segmenter: Segmenter) { self.segmenter = segmenter }

  /// Reads a `tokenizer.json`.
  init(document: TokenizerJSON) throws(TokenizerError) {
    self.init(segmenter: .own(try UnigramVocabulary(document: document)))
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
    case .library(let model): model.pieceCount
    case .own(let vocabulary): vocabulary.idCount
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
    let bytes = TextCleaning.canonicalized(text).flatMap { UTF8.encode($0).map(Array.init) ?? [] }
    switch segmenter {
    case .library(let model): return try model.ids(of: bytes, limit: .max)
    case .own(let vocabulary): return vocabulary.ids(of: bytes)
    }
  }
}
