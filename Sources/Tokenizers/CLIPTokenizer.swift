public import Failures
import Files

/// CLIP's byte-pair tokenizer with OpenCLIP's text cleaning.
///
/// The ids equal those of `open_clip.SimpleTokenizer` (2.23.0), whatever layout the vocabulary came in, with these
/// deliberate differences:
/// - text never yields the start or end token: `<start_of_text>` in a prompt is split like other text;
/// - mojibake is not repaired, and nested HTML references are unfolded through at most 16 layers;
/// - Hugging Face's own `CLIPTokenizer` pads with the end token and repairs neither HTML nor widths, quotes and
///   ligatures. Here one cleaning serves all layouts, and padding is 0: pads after the end token do not affect the
///   text embedding.
public struct CLIPTokenizer: Sendable {
  private let vocabulary: BytePairVocabulary

  /// Loads what a model folder has, in this order: `vocab.json` with `merges.txt`, `tokenizer.json`,
  /// `bpe_simple_vocab_16e6.txt.gz`.
  /// - Throws: `.missingFiles` naming all three when none is there, else what is wrong with the files that are.
  public static func load(folder: String) throws(TokenizerError) -> CLIPTokenizer {
    func path(_ name: String) -> String { FileTree.join(folder, name) }
    typealias Vocabulary = BytePairVocabulary
    let ids = path(Vocabulary.vocabularyName)
    let merges = path(Vocabulary.mergesName)
    let tokenizer = path(Vocabulary.tokenizerName)
    let packed = path(Vocabulary.packedMergesName)
    if FileTree.exists(ids), FileTree.exists(merges) {
      return CLIPTokenizer(vocabulary: try Vocabulary(vocabularyFile: ids, mergesFile: merges))
    }
    if FileTree.exists(tokenizer) {
      return CLIPTokenizer(vocabulary: try Vocabulary(tokenizerFile: tokenizer))
    }
    if FileTree.exists(packed) {
      return CLIPTokenizer(vocabulary: try Vocabulary(packedMergesFile: packed))
    }
    let half = [Vocabulary.vocabularyName, Vocabulary.mergesName].first { FileTree.exists(path($0)) }
    throw TokenizerError(
      .missingFiles, file: folder,
      expected: "\(Vocabulary.vocabularyName) with \(Vocabulary.mergesName), or \(Vocabulary.tokenizerName), or "
        + Vocabulary.packedMergesName,
      found: half.map { "\($0) alone" } ?? "none of them",
      remedy: "copy the model's tokenizer files there, or give text embeddings instead of prompts")
  }

  /// The id of the start-of-text token.
  public var startID: Int32 { vocabulary.startID }

  /// The id of the end-of-text token.
  public var endID: Int32 { vocabulary.endID }

  /// One more than the largest id: the rows that a text tower's embedding table must at least have.
  public var idCount: Int { vocabulary.idCount }

  /// The model's input for `text`: start token, the ids of the text, end token, then zeros.
  ///
  /// Longer texts are cut so that the end token comes last.
  /// - Parameter contextLength: the number of ids returned, at least 2.
  public func encode(_ text: String, contextLength: Int) -> [Int32] {
    precondition(contextLength >= 2, "a context holds at least the start and the end token")
    var framed = [startID] + ids(of: text, limit: contextLength - 2) + [endID]
    framed += repeatElement(0, count: contextLength - framed.count)
    return framed
  }

  /// The ids of the cleaned text alone, neither framed nor cut.
  public func ids(of text: String) -> [Int32] {
    ids(of: text, limit: .max)
  }

  private func ids(of text: String, limit: Int) -> [Int32] {
    var ids: [Int32] = []
    for piece in WordSplitter(TextCleaning.cleaned(text)) {
      guard ids.count < limit else { break }
      ids += vocabulary.ids(ofPiece: piece.flatMap { UTF8.encode($0).map(Array.init) ?? [] })
    }
    return Array(ids.prefix(limit))
  }
}
