import Compute
import Files
import ImageFiles
public import LeGrad
import VisionTransformer

/// Explains the images of a data set and measures the maps, a bounded number of images in memory at a time. A bad image
/// is a failed row, and the others go on.
///
/// A row's bits depend on the image, the model, the settings and the device's arithmetic: not on which images are
/// computed together.
public struct EvaluationRun: Sendable {
  public let explainer: Explainer
  public let dataset: any EvaluationDataset
  public let classifier: ZeroShotClassifier
  public let settings: EvaluationSettings
  /// The input's size in pixels.
  let width: Int
  let height: Int

  /// Checks that model, methods and size fit together.
  public init(
    explainer: Explainer, dataset: any EvaluationDataset, classifier: ZeroShotClassifier, settings: EvaluationSettings
  ) throws(EvaluationError) {
    self.explainer = explainer
    self.dataset = dataset
    self.classifier = classifier
    self.settings = settings
    let model = explainer.model
    var options = Explainer.Options()
    options.mean = explainer.mean
    options.std = explainer.std
    do {
      try model.check(
        size: settings.size, resize: .squash, methods: settings.methods.map(\.method), prompts: 1, options: options)
    } catch { throw .init(error) }
    guard classifier.classNames.count == dataset.classIDs.count, !settings.methods.isEmpty, settings.batchSize > 0
    else {
      throw .usage("an evaluation needs a method, a batch size above 0, and a classifier of the data set's classes")
    }
    if case .pixels(let width, let height) = settings.size {
      (self.width, self.height) = (width, height)
    } else {
      (width, height) = (model.configuration.vision.imageWidth, model.configuration.vision.imageHeight)
    }
  }

  var methods: [Method] { settings.methods.map(\.method) }

  /// The interpolation that squashes images: the protocols' own, or, for points, the model folder's.
  var filter: ResizeFilter { settings.evaluation == .points ? explainer.model.filter : .bilinear }

  /// What all rows depend on.
  /// - Parameter modelHash: of the explainer's model.
  public func identity(modelHash: String, version: String) -> RunIdentity {
    var configuration = [
      "classes": classifier.hash, "explained": settings.explained.rawValue,
      "filter": String(describing: filter), "mean": Self.text(explainer.mean), "methods": Self.text(settings.methods),
      "model": explainer.model.name, "precision": explainer.precision.rawValue,
      "protocol": settings.evaluation.rawValue, "size": "\(width)x\(height)", "std": Self.text(explainer.std),
      "templates": classifier.source,
    ]
    if let correction = settings.correction {
      let bits = correction.embedding.values.map { String($0.bitPattern) }
      configuration["correction"] = "\(correction.threshold) \(SHA256.hash(of: bits))"
    }
    if [.segmentation, .shapes].contains(settings.evaluation) {
      configuration["segmentationThreshold"] = settings.segmentationThreshold.rawValue
    }
    if [.points, .shapes].contains(settings.evaluation) {
      configuration["pointThreshold"] = "\(settings.pointThreshold)"
    }
    return RunIdentity(
      configuration: configuration, modelHash: modelHash, manifestHash: dataset.manifest.hash, version: version)
  }

  private static func text(_ values: [Double]?) -> String { (values ?? []).map { "\($0)" }.joined(separator: ",") }

  private static func text(_ methods: [MethodConfiguration]) -> String {
    methods.map(\.label).joined(separator: ", ")
  }

  /// Evaluates images, and hands over a row for each, in the order of `items`.
  /// - Parameters:
  ///   - items: places in the manifest.
  ///   - isStopped: asked now and then; the rest is left when it says so.
  ///   - record: also told of which kind a failure is.
  /// - Throws: what ends the whole run: memory, the device, or what `record` throws.
  public func run(
    _ items: [Int], isStopped: () -> Bool = { false },
    record: (EvaluationRow, EvaluationError.Kind?) throws(EvaluationError) -> Void
  ) throws(EvaluationError) {
    // More than a batch, so that images of one class meet.
    let window = 2 * settings.batchSize
    for first in stride(from: 0, to: items.count, by: window) {
      guard !isStopped() else { return }
      var images: [EvaluatedImage] = []
      for index in items[first..<min(first + window, items.count)] { images.append(try load(index)) }
      try predict(&images)
      for place in images.indices { ask(&images[place]) }
      try explain(&images)
      try finish(&images, isStopped: isStopped, record: record)
    }
  }

  /// Turns explanations into rows.
  private func finish(
    _ images: inout [EvaluatedImage], isStopped: () -> Bool,
    record: (EvaluationRow, EvaluationError.Kind?) throws(EvaluationError) -> Void
  ) throws(EvaluationError) {
    let perturbation = PerturbationBatches(run: self)
    var first = 0
    while first < images.count {
      guard !isStopped() else { return }
      let end = min(first + perturbation.imagesTogether, images.count)
      try perturbation.run(&images[first..<end])
      for place in first..<end {
        try record(row(of: images[place]), images[place].failure?.kind)
        // What has been told is not needed any more.
        images[place].release()
      }
      first = end
    }
  }

  private func load(_ index: Int) throws(EvaluationError) -> EvaluatedImage {
    let id = dataset.manifest.entries[index].id
    let image: EvaluationImage
    do throws(EvaluationError) {
      image = try dataset.image(at: index)
    } catch {
      guard error.kind == .input else { throw error }
      return EvaluatedImage(index: index, id: id, failure: error)
    }
    let squashed = image.image.resized(width: width, height: height, filter: filter)
    let prepared: PreparedImage
    do { prepared = try explainer.prepare(squashed, size: settings.size) } catch { throw .init(error) }
    var loaded = EvaluatedImage(index: index, id: id)
    loaded.squashed = squashed
    loaded.prepared = prepared
    loaded.classIndex = image.classIndex
    loaded.points = image.points
    loaded.mask = image.mask?.resized(height: height, width: width).values
    loaded.tasks = tasks(of: index)
    loaded.failure = missing(of: loaded).map { EvaluationError(.input, $0) }
    return loaded
  }

  private func tasks(of index: Int) -> Set<EvaluatedImage.Task> {
    switch settings.evaluation {
    case .segmentation: return [.segmentation]
    case .points: return [.points]
    case .perturbation: return [.perturbation]
    case .shapes:
      let part = (dataset as? ShapesDataset)?.part(at: index) ?? .several
      return part == .several ? [.segmentation, .points] : [.perturbation]
    }
  }

  /// What the data set does not say of an image and the protocol needs.
  private func missing(of image: EvaluatedImage) -> String? {
    func line(_ what: String, _ remedy: String) -> String {
      faultLine(file: image.id, expected: what, found: "none", remedy: remedy)
    }
    if image.tasks.contains(.segmentation), image.mask == nil { return line("a mask", "give one for every image") }
    if image.tasks.contains(.points), image.points.isEmpty { return line("points", "give some for every image") }
    guard image.classIndex == nil, !image.tasks.contains(.points) else { return nil }
    if image.tasks.contains(.perturbation) { return line("a class", "give one for every image") }
    return explained(image) == .target ? line("a class", "give one, or --explain predicted") : nil
  }

  private func explained(_ image: EvaluatedImage) -> ExplainedClass {
    // Of several objects only the target is one that can be asked for.
    settings.evaluation == .shapes && !image.tasks.contains(.perturbation) ? .target : settings.explained
  }

  /// Classifies the images whose predicted class is explained.
  private func predict(_ images: inout [EvaluatedImage]) throws(EvaluationError) {
    let places = images.indices.filter {
      images[$0].failure == nil && !images[$0].tasks.contains(.points) && explained(images[$0]) == .predicted
    }
    for first in stride(from: 0, to: places.count, by: settings.batchSize) {
      let batch = Array(places[first..<min(first + settings.batchSize, places.count)])
      let results = try embeddings(of: batch.compactMap { images[$0].prepared })
      for (place, result) in zip(batch, results) {
        switch result {
        case .success(let embedding): images[place].predicted = classifier.classify(embedding)
        case .failure(let error): images[place].fail(error)
        }
      }
    }
  }

  /// Decides which classes an image is asked for.
  private func ask(_ image: inout EvaluatedImage) {
    guard image.failure == nil else { return }
    if image.tasks.contains(.points), image.tasks.count == 1 {
      image.question = image.points.keys.sorted()
    } else {
      image.question = [explained(image) == .target ? image.classIndex : image.predicted].compactMap(\.self)
    }
  }

  /// Explains images that are asked the same together. One that is asked for several classes is explained alone.
  private func explain(_ images: inout [EvaluatedImage]) throws(EvaluationError) {
    var groups: [[Int]: [Int]] = [:]
    for place in images.indices where images[place].failure == nil {
      groups[images[place].question, default: []].append(place)
    }
    // As many questions after each other as may be: the memory of a run serves the next.
    let order = groups.keys.sorted { ($0.count, groups[$0]?.first ?? 0) < ($1.count, groups[$1]?.first ?? 0) }
    for question in order {
      let places = groups[question] ?? []
      let batchSize = question.count == 1 ? settings.batchSize : 1
      let text = try text(of: question)
      for first in stride(from: 0, to: places.count, by: batchSize) {
        let batch = Array(places[first..<min(first + batchSize, places.count)])
        let results = try explanations(of: batch.compactMap { images[$0].prepared }, text: text)
        for (place, result) in zip(batch, results) {
          switch result {
          case .success(let explanations): images[place].take(explanations, on: explainer.device.arithmetic)
          case .failure(let error): images[place].fail(error)
          }
        }
      }
    }
    for place in images.indices where images[place].failure == nil && images[place].predicted == nil {
      images[place].predicted = images[place].explanations.first.map { classifier.classify($0.imageEmbedding) }
    }
  }

  private func text(of question: [Int]) throws(EvaluationError) -> TextEmbeddings {
    if let only = question.first, question.count == 1 { return classifier.rows.rows(only..<only + 1) }
    do {
      return try TextEmbeddings(
        rows: question.flatMap { Array(classifier.rows.row($0)) }, width: classifier.rows.width,
        prompts: question.map { classifier.classNames[$0] })
    } catch { throw .init(error) }
  }

  /// Unit image embeddings, without maps.
  func embeddings(of images: [PreparedImage]) throws(EvaluationError) -> [Result<[Float], EvaluationError>] {
    try explanations(of: images, text: nil).map { $0.map { $0[0].imageEmbedding } }
  }

  /// A batch's explanations by every method. An image whose numbers are not finite is found by halving the batch: the
  /// others get the same bits.
  private func explanations(
    of images: [PreparedImage], text: TextEmbeddings?
  ) throws(EvaluationError) -> [Result<[Explanation], EvaluationError>] {
    do {
      return try explainer.explain(
        images, text: text, methods: text == nil ? [methods[0]] : methods,
        correction: text == nil ? nil : settings.correction
      ).map { .success($0) }
    } catch {
      guard error.kind == .numerical else { throw .init(error) }
      guard images.count > 1 else { return [.failure(EvaluationError(error))] }
      let middle = images.count / 2
      return try explanations(of: Array(images[..<middle]), text: text)
        + explanations(of: Array(images[middle...]), text: text)
    }
  }

  private func row(of image: EvaluatedImage) -> EvaluationRow {
    let device = image.device ?? explainer.device.arithmetic
    guard image.failure == nil else {
      return EvaluationRow(index: image.index, id: image.id, device: device, failure: image.failure?.description)
    }
    // With several objects, several classes are right.
    let isClassified = settings.evaluation != .shapes || image.tasks.contains(.perturbation)
    return EvaluationRow(
      index: image.index, id: image.id, device: device,
      isCorrect: isClassified ? image.classIndex.map { $0 == image.predicted } : nil,
      explained: image.question.count == 1 ? dataset.classIDs[image.question[0]] : nil,
      statistics: image.explanations.indices.map { statistics(of: image, method: $0) })
  }

  private func statistics(of image: EvaluatedImage, method: Int) -> ImageStatistics {
    let explanation = image.explanations[method]
    var statistics = ImageStatistics(
      perturbation: image.perturbations.isEmpty ? nil : image.perturbations[method])
    if image.tasks.contains(.segmentation), let mask = image.mask {
      statistics.segmentation = SegmentationStatistics(
        heatmap: explanation.heatmap(prompt: 0).values, mask: mask, threshold: settings.segmentationThreshold)
    }
    if image.tasks.contains(.points) {
      statistics.points = image.question.enumerated().map { prompt, classIndex in
        PointStatistics(
          label: dataset.classIDs[classIndex], points: image.points[classIndex] ?? [],
          heatmap: explanation.heatmap(prompt: prompt), threshold: settings.pointThreshold)
      }
    }
    return statistics
  }
}
