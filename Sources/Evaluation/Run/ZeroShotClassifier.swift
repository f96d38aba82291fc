import Compute
import Failures
import Files
package import LeGrad
import VisionTransformer

/// A model's text tower as a classifier (methods §6.3): a unit row per class, the mean of its prompts' unit rows; the
/// class of an image is the one whose row is nearest to its embedding.
package struct ZeroShotClassifier: Sendable {
  package let classNames: [String]
  /// `[classes, embedding]`, unit rows.
  package let rows: TextEmbeddings
  /// What the rows depend on beside the model: names and templates, or given rows.
  package let hash: String
  /// What people are told of where the rows come from: the template, how many there are, or that rows were given.
  package let source: String

  /// Prompts that are encoded together; bounds the memory and how long nothing is heard, not the result.
  private static let promptsPerBatch = 4096

  /// Encodes every class's prompts, or finds what an earlier run kept of them.
  /// - Parameters:
  ///   - modelHash: of the explainer's model; nil if it has none, and then nothing is kept.
  ///   - cacheFolder: where embeddings are kept; nil for nowhere.
  ///   - progress: told how many of how many prompts are encoded.
  package static func encode(
    _ classNames: [String], templates: PromptTemplates, explainer: Explainer, modelHash: String?,
    cacheFolder: String?, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(LeGradError) -> ZeroShotClassifier {
    guard !classNames.isEmpty else {
      throw fault("classes", expected: "at least one", found: "none", remedy: "check the data set")
    }
    let hash = SHA256.hash(of: ["prompts"] + [String(templates.texts.count)] + templates.texts + classNames)
    let source = templates.texts.count == 1 ? templates.texts[0] : "\(templates.texts.count) templates"
    let cache = Cache(cacheFolder, modelHash: modelHash, explainer: explainer, hash: hash)
    let width = explainer.model.configuration.embeddingWidth
    if let kept = cache?.rows(classNames, width: width) {
      return ZeroShotClassifier(classNames: classNames, rows: kept, hash: hash, source: source)
    }
    let values = try means(classNames, templates, explainer, progress: progress)
    let rows = try TextEmbeddings(rows: values, width: width, prompts: classNames)
    cache?.keep(rows)
    return ZeroShotClassifier(classNames: classNames, rows: rows, hash: hash, source: source)
  }

  /// The class whose row is nearest to a unit image embedding; the first of those that are equally near.
  package func classify(_ embedding: [Float]) -> Int {
    precondition(embedding.count == rows.width, "\(embedding.count) values, rows of \(rows.width)")
    var best = (index: 0, cosine: -Double.infinity)
    for index in 0..<rows.count {
      let cosine = Self.product(rows.values, from: index * rows.width, embedding)
      if cosine > best.cosine { best = (index, cosine) }
    }
    return best.index
  }

  /// In float64, four sums side by side: one would wait for each of its additions.
  private static func product(_ rows: [Float], from first: Int, _ embedding: [Float]) -> Double {
    var sums = SIMD4<Double>()
    let end = embedding.count / 4 * 4
    for column in stride(from: 0, to: end, by: 4) {
      for lane in 0..<4 { sums[lane] += Double(rows[first + column + lane]) * Double(embedding[column + lane]) }
    }
    for column in end..<embedding.count { sums[0] += Double(rows[first + column]) * Double(embedding[column]) }
    return (sums[0] + sums[1]) + (sums[2] + sums[3])
  }

  /// The mean, in float64, of the unit rows of each class's prompts: `[classes, embedding]`.
  private static func means(
    _ classNames: [String], _ templates: PromptTemplates, _ explainer: Explainer,
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
    private static let format = "class embeddings 1"

    init?(_ folder: String?, modelHash: String?, explainer: Explainer, hash: String) {
      guard let folder, let modelHash else { return nil }
      files = SealedCache(folder: folder, fileExtension: "classes", sizeLimit: 1 << 30)
      parts = [Self.format, modelHash, explainer.device.arithmetic, explainer.precision.rawValue, hash]
    }

    /// Float32, little-endian.
    func rows(_ classNames: [String], width: Int) -> TextEmbeddings? {
      guard let bytes = files.content(parts), bytes.count == classNames.count * width * 4 else { return nil }
      let values = stride(from: 0, to: bytes.count, by: 4).map { first in
        Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[first + $1]) << UInt32(8 * $1) })
      }
      return TextEmbeddings(checkedUnitRows: values, width: width, prompts: classNames)
    }

    func keep(_ rows: TextEmbeddings) {
      let bytes = rows.values.flatMap { value in
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
      }
      files.keep(bytes, parts)
    }
  }
}

extension ZeroShotClassifier {
  /// Rows that come from elsewhere, one per class.
  package init(_ classNames: [String], rows: TextEmbeddings) throws(LeGradError) {
    guard rows.count == classNames.count else {
      throw fault(
        "text embeddings", expected: "a row for each of \(classNames.count) classes", found: "\(rows.count)",
        remedy: "save them in the order of the classes")
    }
    self.init(
      classNames: classNames, rows: rows,
      hash: SHA256.hash(of: ["rows"] + rows.values.map { String($0.bitPattern) }), source: "given embeddings")
  }
}
