import Failures
import Files
import LeGrad
import NpyFiles
import VisionTransformer

/// What to look for, read and checked before a model is opened.
enum PromptSource: Sendable {
  case texts([String])
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
  init(texts: [String], file: String?, embeddings: String?) throws(LeGradError) {
    if let embeddings {
      guard texts.isEmpty, file == nil else {
        throw .usage("--text-embeddings stands in for prompts; leave -p and --prompts-file out")
      }
      self = .embeddings(try Self.rows(embeddings), path: embeddings)
      return
    }
    var texts = texts
    if let file { texts += try Self.lines(file) }
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
  func check(against model: Model) throws(LeGradError) {
    switch self {
    case .texts:
      try model.checkText()
    case .embeddings(let rows, let path):
      let width = model.configuration.embeddingWidth
      guard rows.width == width else {
        throw .badFile(
          "\(path): shape: expected \(width) columns for \(model.name), found \(rows.width); "
            + "encode the prompts with this model")
      }
    }
  }

  static func rows(_ path: String) throws(LeGradError) -> TextEmbeddings {
    let array: NpyArray<Float>
    do { array = try NpyFile.readFloats(path) } catch { throw LeGradError(error) }
    guard array.shape.count == 2, !array.shape.contains(0) else {
      throw .badFile("\(path): shape: expected [prompts, embedding], found \(array.shape); save a matrix of rows")
    }
    do { return try TextEmbeddings(rows: array.values, width: array.shape[1]) } catch {
      throw .badFile("\(path): \(error)")
    }
  }
}

extension PromptSource {
  private static let sizeLimit = 64 << 20

  /// The lines of a text file of prompts, with an empty last one dropped and line ends of either kind removed; a line
  /// is used as it is.
  private static func lines(_ path: String) throws(LeGradError) -> [String] {
    let bytes = try contents(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badFile("\(path): prompts file: expected UTF-8 text, found other bytes; save it as UTF-8")
    }
    var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
    if lines.first?.first == "\u{FEFF}" { lines[0].removeFirst() }
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    guard !lines.isEmpty else {
      throw .badFile("\(path): prompts file: expected one prompt a line, found an empty file")
    }
    if let empty = lines.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw .badFile("\(path): line \(empty + 1): expected a prompt, found an empty line; remove it")
    }
    return lines
  }

  private static func contents(_ path: String) throws(LeGradError) -> [UInt8] {
    do {
      return try WholeFile.read(path, limit: sizeLimit, allowingPipes: true)
    } catch {
      switch error.rule {
      case .tooLarge: throw .badFile("\(path): prompts file: expected at most \(sizeLimit) bytes, found more; split it")
      case .notRegular: throw .badFile("\(path): the prompts file cannot be read: \(error.found); check the path")
      default:
        let failure = error.rule == .unreadable ? "read" : "opened"
        throw .badFile("\(path): the prompts file cannot be \(failure): \(error.found); check the path")
      }
    }
  }
}

/// What a run asks its images, in embeddings.
struct Question: Sendable {
  let text: TextEmbeddings
  var correction: EmptyTextCorrection?

  /// Says in one line that prompts were longer than the model's context, if any was.
  func noteCutPrompts() {
    let cut = zip(text.prompts, text.lengths ?? []).filter { $0.1.cut > 0 }
    if let (prompt, length) = cut.first { Self.noteCut(prompt, length, of: cut.count) }
  }

  /// Says in one line that a prompt was longer than the model's context, the first of `count`.
  static func noteCut(_ prompt: String, _ length: PromptLength, of count: Int) {
    let others =
      switch count {
      case 1: ""
      case 2: "; one more prompt is cut as well"
      default: "; \(count - 1) more prompts are cut as well"
      }
    let start = prompt.count > 40 ? prompt.prefix(39) + "…" : prompt
    Terminal.note(
      "\"\(start)\" has \(length.tokens + length.cut) tokens, the model reads \(length.tokens): the last "
        + "\(length.cut) of its text are left out\(others)")
  }
}

extension PromptSource {
  /// Unit rows for a model. Texts are encoded together, as the text tower is read once.
  func question(to explainer: Explainer, correction: CorrectionSource? = nil) throws(LeGradError) -> Question {
    guard let correction else { return Question(text: try encoded(by: explainer)) }
    if case .texts(let texts) = self, case .texts(let empty) = correction.text {
      let rows = try explainer.encode(texts + empty)
      return Question(
        text: rows.rows(0..<texts.count),
        correction: try EmptyTextCorrection(
          embedding: rows.rows(texts.count..<rows.count), threshold: correction.threshold))
    }
    return Question(
      text: try encoded(by: explainer),
      correction: try EmptyTextCorrection(
        embedding: correction.text.encoded(by: explainer), threshold: correction.threshold))
  }
}
