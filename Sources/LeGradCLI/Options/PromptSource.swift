import Failures
import Files
import ImageFiles
import LeGrad
import NpyFiles
import VisionTransformer

/// What to look for, read and checked before a model is opened.
enum PromptSource: Sendable {
  case texts([String])
  case embeddings(TextEmbeddings, path: String)
  /// Names or numbers of a classifier's classes.
  case classes([String])
  /// A classifier's most probable classes of each image.
  case top(Int)
  /// Pictures that show what to look for.
  case references([String])

  var count: Int {
    switch self {
    case .texts(let texts): texts.count
    case .embeddings(let rows, _): rows.count
    case .classes(let names): names.count
    case .top(let count): count
    case .references(let paths): paths.count
    }
  }

  /// - Parameters:
  ///   - texts: prompts of the command line; those of `file` follow them.
  ///   - embeddings: a `.npy` file in their place.
  ///   - classes: of a classifier, in their place.
  ///   - top: how many of its classes, where none are named.
  ///   - references: pictures in their place.
  init(
    texts: [String], file: String?, embeddings: String?, classes: [String] = [], top: Int? = nil,
    references: [String] = []
  ) throws(LeGradError) {
    let given = [
      ("-p", !texts.isEmpty), ("--prompts-file", file != nil), ("--text-embeddings", embeddings != nil),
      ("--class", !classes.isEmpty), ("--top", top != nil), ("--reference-image", !references.isEmpty),
    ].filter(\.1).map(\.0)
    guard given.count < 2 || given == ["-p", "--prompts-file"] else {
      throw .usage("\(given.joined(separator: " and ")) exclude each other; leave out all but one")
    }
    if let embeddings {
      self = .embeddings(try Self.rows(embeddings), path: embeddings)
    } else if !classes.isEmpty {
      self = .classes(classes)
    } else if !references.isEmpty {
      self = .references(references)
    } else {
      var texts = texts
      if let file { texts += try Self.lines(file) }
      guard !texts.contains(where: { $0.allSatisfy(\.isWhitespace) }) else {
        throw .usage("a prompt is empty; give -p a text")
      }
      self = texts.isEmpty ? .top(top ?? 1) : .texts(texts)
    }
  }

  /// What images are asked with, where that is the same for all of them.
  /// - Parameters:
  ///   - resize: how pictures of reference are brought to the input.
  ///   - pixelLimit: pixels that one of them may have.
  func encoded(
    by explainer: Explainer, resize: ResizeMode = .squash, pixelLimit: Int = RGBImage.defaultPixelLimit
  ) throws(LeGradError) -> TextEmbeddings {
    switch self {
    case .texts(let texts): return try explainer.encodeOrFind(texts, cacheFolder: Environment.cacheFolder)
    case .embeddings(let rows, _): return rows
    case .classes(let names):
      let numbers = try names.map { name throws(LeGradError) in try explainer.model.classNumber(name) }
      return try explainer.encode(classes: numbers)
    case .top: return try explainer.encode(classes: [])
    case .references(let paths):
      let pictures = try paths.map { path throws(LeGradError) -> PreparedImage in
        let decoded = try FileSystem.picture(path, called: "reference image", pixelLimit: pixelLimit)
        return try explainer.prepare(decoded.image, resize: resize)
      }
      return try explainer.encode(references: pictures, names: paths.map(FileSystem.name(of:)))
    }
  }

  /// Checks that a model can be asked so, before the weights are read.
  func check(against model: Model) throws(LeGradError) {
    switch self {
    case .texts: try model.checkText()
    case .embeddings(let rows, let path):
      guard model.configuration.classes == nil else {
        throw .usage("\(model.name) is a classifier: give --class, --top or nothing, not --text-embeddings")
      }
      let width = model.configuration.embeddingWidth
      guard rows.width == width else {
        throw .badFile(
          "\(path): shape: expected \(width) columns for \(model.name), found \(rows.width); "
            + "encode the prompts with this model")
      }
    case .classes(let names):
      var numbers: [Int: String] = [:]
      for name in names {
        let number = try model.classNumber(name)
        if let other = numbers.updateValue(name, forKey: number) {
          throw .usage("--class \(other) and --class \(name) are one class, number \(number); name it once")
        }
      }
    case .top(let count):
      guard let classes = model.configuration.classes else {
        throw .usage(
          "nothing to look for: give -p TEXT, --prompts-file FILE, --text-embeddings FILE or --reference-image FILE; "
            + "\(model.name) has no classes that could be explained without")
      }
      guard count <= classes.count else {
        throw .usage("--top \(count): \(model.name) has \(classes.count) classes")
      }
    case .references:
      guard model.configuration.classes == nil else {
        throw .usage("\(model.name) is a classifier: give --class, --top or nothing, not --reference-image")
      }
    }
  }

  /// The rows of a file, checked against the model that is to be asked with them.
  static func embeddings(_ path: String, for model: Model) throws(LeGradError) -> PromptSource {
    let source = PromptSource.embeddings(try rows(path), path: path)
    try source.check(against: model)
    return source
  }

  private static func rows(_ path: String) throws(LeGradError) -> TextEmbeddings {
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
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
      $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0
    }.map { String(Substring($0)) }
    if lines.first?.unicodeScalars.first == "\u{FEFF}" { lines[0].unicodeScalars.removeFirst() }
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
      case .notRegular:
        throw .badFile("\(path): the prompts file cannot be read: it is \(error.found); \(error.remedy)")
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
  /// How many of its most probable classes each image is asked for instead; nil where all are asked for `text`.
  var topClasses: Int?
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
      "\"\(start)\" has \(length.tokens + length.cut) tokens, the model reads \(length.tokens): the "
        + "\(length.cutsStart ? "first" : "last") \(length.cut) of its text are left out\(others)")
  }
}

extension PromptSource {
  /// What images are asked with. Texts are encoded together, as the text tower is read once.
  func question(
    to explainer: Explainer, correction: CorrectionSource? = nil, resize: ResizeMode = .squash,
    pixelLimit: Int = RGBImage.defaultPixelLimit
  ) throws(LeGradError) -> Question {
    if case .texts(let texts) = self, case .texts(let empty)? = correction?.text, let correction {
      let rows = try explainer.encode(texts + empty)
      return Question(
        text: rows.rows(0..<texts.count),
        correction: try EmptyTextCorrection(
          embedding: rows.rows(texts.count..<rows.count), threshold: correction.threshold))
    }
    var question = Question(text: try encoded(by: explainer, resize: resize, pixelLimit: pixelLimit))
    if case .top(let count) = self { question.topClasses = count }
    if let correction {
      question.correction = try EmptyTextCorrection(
        embedding: correction.text.encoded(by: explainer), threshold: correction.threshold)
    }
    return question
  }
}
