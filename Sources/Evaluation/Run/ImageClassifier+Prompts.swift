import Compute
import Failures
import Files
package import LeGrad
import VisionTransformer

extension ImageClassifier {
  /// Prompts that are encoded together; bounds the memory and how long nothing is heard, not the result.
  private static let promptsPerBatch = 4096

  /// A model's text tower as a classifier (methods §6.3): a unit row per class, the mean of its prompts' unit rows.
  ///
  /// Encodes every class's prompts, or finds what an earlier run kept of them.
  /// - Parameters:
  ///   - modelHash: of the explainer's model; nil if it has none, and then nothing is kept.
  ///   - cacheFolder: where embeddings are kept; nil for nowhere.
  ///   - progress: told how many of how many prompts are encoded.
  package static func encode(
    _ classNames: [String], templates: PromptTemplates, explainer: Explainer, modelHash: String?,
    cacheFolder: String?, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(LeGradError) -> ImageClassifier {
    guard !classNames.isEmpty else {
      throw fault("classes", expected: "at least one", found: "none", remedy: "check the data set")
    }
    let hash = SHA256.hash(of: ["prompts"] + [String(templates.texts.count)] + templates.texts + classNames)
    let source = Source.templates(
      templates.texts.count == 1 ? templates.texts[0] : "\(templates.texts.count) templates")
    let cache = Cache(cacheFolder, modelHash: modelHash, explainer: explainer, hash: hash)
    let width = explainer.model.configuration.embeddingWidth
    if let (rows, cut) = cache?.content(classNames, templates, width: width) {
      return ImageClassifier(classNames: classNames, rows: rows, hash: hash, source: source, cut: cut)
    }
    var cut = CutPrompts()
    let values = try means(classNames, templates, explainer, cut: &cut, progress: progress)
    let rows = try TextEmbeddings(rows: values, width: width, prompts: classNames)
    cache?.keep(rows, cut)
    return ImageClassifier(classNames: classNames, rows: rows, hash: hash, source: source, cut: cut)
  }

  /// The mean, in float64, of the unit rows of each class's prompts: `[classes, embedding]`.
  private static func means(
    _ classNames: [String], _ templates: PromptTemplates, _ explainer: Explainer, cut: inout CutPrompts,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws(LeGradError) -> [Float] {
    let width = explainer.model.configuration.embeddingWidth
    let perClass = templates.texts.count
    let classesPerBatch = max(1, promptsPerBatch / perClass)
    var values: [Float] = []
    values.reserveCapacity(classNames.count * width)
    for first in stride(from: 0, to: classNames.count, by: classesPerBatch) {
      progress(first * perClass, classNames.count * perClass)
      let names = classNames[first..<min(first + classesPerBatch, classNames.count)]
      let encoded = try explainer.encode(names.flatMap(templates.prompts))
      cut.take(encoded, from: first * perClass)
      for number in names.indices {
        var sum = [Double](repeating: 0, count: width)
        for prompt in (number - first) * perClass..<(number - first + 1) * perClass {
          for (column, value) in encoded.row(prompt).enumerated() { sum[column] += Double(value) }
        }
        values += sum.map { Float($0 / Double(perClass)) }
      }
    }
    progress(classNames.count * perClass, classNames.count * perClass)
    return values
  }

  /// Embeddings on disk, under the hash of all that they depend on, the device's arithmetic included.
  private struct Cache {
    private let files: SealedCache
    private let parts: [String]

    /// Changes when embeddings are computed in another way, or the file's layout does.
    private static let format = "class embeddings 2"

    init?(_ folder: String?, modelHash: String?, explainer: Explainer, hash: String) {
      guard let folder, let modelHash else { return nil }
      files = SealedCache(folder: folder, fileExtension: "classes", sizeLimit: 1 << 30)
      parts = [Self.format, modelHash, explainer.device.arithmetic, explainer.precision.rawValue, hash]
    }

    /// Words, little-endian: rows in float32, then how many prompts are cut, and number, tokens and tokens left out of
    /// the first.
    func content(
      _ classNames: [String], _ templates: PromptTemplates, width: Int
    ) -> (TextEmbeddings, CutPrompts)? {
      let rowWords = classNames.count * width
      guard let bytes = files.content(parts), bytes.count == (rowWords + 5) * 4 else { return nil }
      let words = stride(from: 0, to: bytes.count, by: 4).map { first in
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[first + $1]) << UInt32(8 * $1) }
      }
      let values = words[..<rowWords].map { Float(bitPattern: $0) }
      guard let rows = TextEmbeddings(checkedUnitRows: values, width: width, prompts: classNames) else { return nil }
      let (count, number, tokens, rest) = (
        Int(words[rowWords]), Int(words[rowWords + 1]), Int(words[rowWords + 2]), Int(words[rowWords + 3])
      )
      guard count > 0 else { return (rows, CutPrompts()) }
      let perClass = templates.texts.count
      guard number < classNames.count * perClass else { return nil }
      let prompt = templates.prompts(classNames[number / perClass])[number % perClass]
      let first = CutPrompts.First(
        number: number, prompt: prompt,
        length: PromptLength(tokens: tokens, cut: rest, cutsStart: words[rowWords + 4] != 0))
      return (rows, CutPrompts(count: count, first: first))
    }

    func keep(_ rows: TextEmbeddings, _ cut: CutPrompts) {
      let first = cut.first
      let figures = [
        cut.count, first?.number ?? 0, first?.length.tokens ?? 0, first?.length.cut ?? 0,
        first?.length.cutsStart == true ? 1 : 0,
      ]
      let words = rows.values.map(\.bitPattern) + figures.map { UInt32(clamping: $0) }
      files.keep(words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }, parts)
    }
  }
}

extension ImageClassifier {
  /// Rows that come from elsewhere, one per class.
  package init(_ classNames: [String], rows: TextEmbeddings) throws(LeGradError) {
    guard rows.count == classNames.count else {
      throw fault(
        "text embeddings", expected: "a row for each of \(classNames.count) classes", found: "\(rows.count)",
        remedy: "save them in the order of the classes")
    }
    self.init(
      classNames: classNames, rows: rows,
      hash: SHA256.hash(of: ["rows"] + rows.values.map { String($0.bitPattern) }),
      source: .templates("given embeddings"))
  }
}
