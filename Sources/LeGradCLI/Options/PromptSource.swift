import Failures
import LeGrad
import NpyFiles
import VisionTransformer

/// What to look for, read and checked before a model is opened.
enum PromptSource: Sendable {
  case texts([String])
  /// Rows of a `.npy` file.
  case embeddings(TextEmbeddings, path: String)

  var count: Int {
    switch self {
    case .texts(let texts): texts.count
    case .embeddings(let rows, _): rows.count
    }
  }

  /// - Parameters:
  ///   - texts: prompts of the command line; those of `file` follow them.
  ///   - embeddings: a `.npy` file in their place.
  init(texts: [String], file: String?, embeddings: String?) throws(Failure) {
    if let embeddings {
      guard texts.isEmpty, file == nil else {
        throw .usage("--text-embeddings stands in for prompts; leave -p and --prompts-file out")
      }
      self = .embeddings(try Self.rows(embeddings), path: embeddings)
      return
    }
    var texts = texts
    if let file { texts += try PromptsFile.read(file) }
    guard !texts.isEmpty else {
      throw .usage("nothing to look for: give -p TEXT, --prompts-file FILE or --text-embeddings FILE")
    }
    guard !texts.contains(where: { $0.allSatisfy(\.isWhitespace) }) else {
      throw .usage("a prompt is empty; give -p a text")
    }
    self = .texts(texts)
  }

  /// Unit rows for a model.
  func encoded(by explainer: Explainer) throws(LeGradError) -> TextEmbeddings {
    switch self {
    case .texts(let texts): try explainer.encode(texts)
    case .embeddings(let rows, _): rows
    }
  }

  /// Checks the width of given rows, and that given text can be read, before the weights are.
  func check(against model: Model) throws(Failure) {
    switch self {
    case .texts:
      do { try model.checkText() } catch { throw Failure(error) }
    case .embeddings(let rows, let path):
      let width = model.configuration.embeddingWidth
      guard rows.width == width else {
        throw .badFile(
          "\(path): shape: expected \(width) columns for \(model.name), found \(rows.width); "
            + "encode the prompts with this model")
      }
    }
  }

  /// The rows of a `.npy` file.
  static func rows(_ path: String) throws(Failure) -> TextEmbeddings {
    let array: NpyArray<Float>
    do { array = try NpyFile.readFloats(path) } catch { throw Failure(error) }
    guard array.shape.count == 2, !array.shape.contains(0) else {
      throw .badFile("\(path): shape: expected [prompts, embedding], found \(array.shape); save a matrix of rows")
    }
    do {
      return try TextEmbeddings(rows: array.values, width: array.shape[1])
    } catch { throw .badFile("\(path): \(error.message.advice)") }
  }
}
