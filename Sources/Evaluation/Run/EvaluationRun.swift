package import Failures
import ImageFiles
package import LeGrad
import VisionTransformer

/// Explains the images of a data set and measures the maps, a bounded number of images in memory at a time. A bad image
/// is a failed row, and the others go on.
///
/// A row's bits depend on the image, the model, the settings and the device's arithmetic: not on which images are
/// computed together.
package struct EvaluationRun: Sendable {
  package let explainer: Explainer
  package let dataset: any EvaluationDataset
  package let classifier: ImageClassifier
  package let settings: EvaluationSettings
  /// The input's size in pixels.
  let width, height: Int

  /// Checks that model, methods and size fit together.
  package init(
    explainer: Explainer, dataset: any EvaluationDataset, classifier: ImageClassifier, settings: EvaluationSettings
  ) throws(LeGradError) {
    self.explainer = explainer
    self.dataset = dataset
    self.classifier = classifier
    self.settings = settings
    let model = explainer.model
    var options = Explainer.Options()
    options.pixelStatistics = explainer.pixelStatistics
    try model.check(size: settings.size, resize: .squash, methods: settings.methods, prompts: 1, options: options)
    guard classifier.classNames.count == dataset.classIDs.count, !settings.methods.isEmpty, settings.batchSize > 0
    else {
      throw LeGradError(
        .usage, "an evaluation needs a method, a batch size above 0, and a classifier of the data set's classes")
    }
    if case .pixels(let width, let height) = settings.size {
      (self.width, self.height) = (width, height)
    } else {
      (width, height) = (model.configuration.vision.imageWidth, model.configuration.vision.imageHeight)
    }
  }

  /// What all rows depend on.
  /// - Parameter modelHash: of the explainer's model.
  package func identity(modelHash: String, version: String) -> RunIdentity {
    let configuration = RunConfiguration(
      benchmark: settings.benchmark, methods: settings.methods, model: explainer.model.name,
      precision: explainer.precision, size: .init(width: width, height: height),
      filter: settings.benchmark.filter(of: explainer.model),
      mean: explainer.pixelStatistics?.mean ?? [], std: explainer.pixelStatistics?.std ?? [],
      classes: classifier.hash, source: classifier.source,
      correction: settings.correction.map { RunConfiguration.Correction($0) })
    return RunIdentity(
      configuration: configuration, modelHash: modelHash, manifestHash: dataset.manifest.hash, version: version)
  }

  /// What comes out of the pipeline.
  private struct Evaluated: Sendable {
    let row: EvaluationRow
    var kind: FailureKind?
    /// Of a file that notes one.
    var orientation: (isNoted: Bool, isTurned: Bool) = (false, false)
  }

  /// What of an image goes to the device: what ends the run goes there too, in its place among the images.
  private enum Loaded: Sendable {
    case image(EvaluatedImage)
    case end(LeGradError)
    case stop
  }

  private typealias Images = Pipeline<Loaded, Evaluated>

  /// Evaluates images, and hands over a row for each, in the order of `items`. Images are read ahead of the device, and
  /// measured behind it, on the explainer's threads.
  /// - Parameters:
  ///   - items: places in the manifest.
  ///   - note: told of each image before it is read, and once it has been.
  ///   - isStopped: asked now and then, by several threads; the rest is left when it says so.
  ///   - record: also told of which kind a failure is.
  /// - Throws: what ends the whole run: memory, the device, or what `record` throws.
  package func run(
    _ items: [Int], note: InFlightNote? = nil, isStopped: @escaping @Sendable () -> Bool = { false },
    record: (EvaluationRow, FailureKind?) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    defer { note?.close() }
    let methods = settings.methods.count
    let images = Images(
      count: items.count,
      stages: .init(
        open: { place throws(LeGradError) in try open(items[place], note, isStopped) },
        held: { loaded in
          guard case .image(let image) = loaded else { return 0 }
          return image.bytesHeld(methods: methods)
        },
        compute: { batch, done throws(LeGradError) in
          try compute(batch.map(\.loaded), isStopped: isStopped, done)
        }),
      limits: .init(
        bytes: settings.memoryLimit ?? Explainer.defaultMemoryLimit,
        // More than the device computes together, so that images of one class meet.
        batch: 2 * settings.batchSize, computesOnThreads: explainer.device.backend == .native),
      budget: explainer.threadBudget)
    defer { images.stop() }
    while !isStopped(), let (place, outcome) = try images.next() {
      let evaluated: Evaluated
      switch outcome {
      case .success(let value): evaluated = value
      case .failure(let error):
        let (index, id) = (items[place], dataset.manifest.entries[items[place]].id)
        evaluated = self.evaluated(EvaluatedImage(index: index, id: id, failure: error))
      }
      if evaluated.orientation.isNoted {
        settings.orientationNoted(evaluated.row.id, evaluated.orientation.isTurned)
      }
      try record(evaluated.row, evaluated.kind)
    }
  }

  private func open(
    _ index: Int, _ note: InFlightNote?, _ isStopped: @escaping @Sendable () -> Bool
  ) throws(LeGradError) -> Images.Opened {
    let id = dataset.manifest.entries[index].id
    if let note, note.leavesOut(index) { throw Self.leftOut(id) }
    guard !isStopped() else { return Images.Opened(bytes: 0) { .stop } }
    let opened: OpenedImage
    do throws(LeGradError) {
      opened = try noting(index, note) { () throws(LeGradError) in try dataset.open(at: index) }
    } catch {
      guard Self.isAlone(error) else { return Images.Opened(bytes: 0) { .end(error) } }
      note?.acquit(index)
      throw error
    }
    return Images.Opened(bytes: opened.bytes) { () throws(LeGradError) in
      guard !isStopped() else { return .stop }
      do throws(LeGradError) {
        let image = try noting(index, note) { () throws(LeGradError) in try load(opened, index, id) }
        note?.acquit(index)
        return .image(image)
      } catch {
        guard Self.isAlone(error) else { return .end(error) }
        note?.acquit(index)
        throw error
      }
    }
  }

  private func noting<Value>(
    _ index: Int, _ note: InFlightNote?, _ body: () throws(LeGradError) -> Value
  ) throws(LeGradError) -> Value {
    guard let note else { return try body() }
    return try note.whileReading(index, body)
  }

  /// Whether what failed is an image's alone, as one is that is too large for the memory.
  private static func isAlone(_ error: LeGradError) -> Bool { [.input, .memory].contains(error.kind) }

  private func load(_ opened: OpenedImage, _ index: Int, _ id: String) throws(LeGradError) -> EvaluatedImage {
    let image = try opened.decode()
    let task = try settings.benchmark.task(of: image)
    let filter = settings.benchmark.filter(of: explainer.model)
    let squashed = image.image.resized(
      width: width, height: height, filter: filter, sharing: explainer.threadBudget)
    let prepared = try explainer.prepare(squashed, size: settings.size)
    return EvaluatedImage(index: index, id: id, image, task: task, squashed: squashed, prepared: prepared)
  }

  // MARK: On the device

  private func compute(
    _ batch: [Loaded], isStopped: () -> Bool,
    _ done: (Result<Images.Computed, LeGradError>) -> Bool
  ) throws(LeGradError) {
    var images: [EvaluatedImage] = []
    var fault: LeGradError?
    batch: for loaded in batch {
      switch loaded {
      case .image(let image): images.append(image)
      case .end(let error):
        fault = error
        break batch
      case .stop: break batch
      }
    }
    var hasStopped = false
    // Once it has said so: what was left out is not asked for.
    func stops() -> Bool {
      hasStopped = hasStopped || isStopped()
      return hasStopped
    }
    try predict(&images, stops)
    try explain(&images, stops)
    let copies = CopyBatches(run: self)
    var first = 0
    while first < images.count {
      let end = min(first + copies.imagesTogether, images.count)
      try copies.run(&images[first..<end], stops)
      guard !stops() else { return }
      for place in first..<end {
        let image = images[place]
        let result: @Sendable () throws(LeGradError) -> Evaluated = { evaluated(image) }
        guard done(.success(.init(end: result))) else { return }
      }
      first = end
    }
    if let fault { throw fault }
  }

  private func evaluated(_ image: EvaluatedImage) -> Evaluated {
    Evaluated(
      row: row(of: image), kind: image.failure?.kind,
      orientation: (image.storedOrientation != .upright, image.isTurned))
  }

  /// An image at which processes before this one died.
  private static func leftOut(_ id: String) -> LeGradError {
    fault(
      id, expected: "an image that can be read", found: "one while reading which an earlier process of this run died",
      remedy: "it is left out; see that it is no larger than memory allows, and evaluate into another folder")
  }

  /// Classifies the images whose predicted class is explained.
  private func predict(_ images: inout [EvaluatedImage], _ isStopped: () -> Bool) throws(LeGradError) {
    let places = images.indices.filter { images[$0].waitsForPrediction }
    for first in stride(from: 0, to: places.count, by: settings.batchSize) {
      guard !isStopped() else { return }
      let batch = Array(places[first..<min(first + settings.batchSize, places.count)])
      let results = try embeddings(of: batch.compactMap { images[$0].prepared })
      for (place, result) in zip(batch, results) {
        images[place].take(result) { $0.predicted = classifier.classify($1) }
      }
    }
  }

  /// Explains images that are asked the same together. One that is asked for several classes is explained alone.
  private func explain(_ images: inout [EvaluatedImage], _ isStopped: () -> Bool) throws(LeGradError) {
    var groups: [[Int]: [Int]] = [:]
    for place in images.indices where images[place].failure == nil {
      groups[images[place].question, default: []].append(place)
    }
    // As many questions after each other as may be: the memory of a run serves the next.
    let order = groups.keys.sorted { ($0.count, groups[$0]?.first ?? 0) < ($1.count, groups[$1]?.first ?? 0) }
    for question in order {
      let places = groups[question] ?? []
      let batchSize = question.count == 1 ? settings.batchSize : 1
      let text = classifier.rows.rows(question)
      for first in stride(from: 0, to: places.count, by: batchSize) {
        guard !isStopped() else { return }
        let batch = Array(places[first..<min(first + batchSize, places.count)])
        let results = try explanations(of: batch.compactMap { images[$0].prepared }, text: text)
        for (place, result) in zip(batch, results) {
          images[place].take(result, on: explainer.device.arithmetic) { $0.explanations = $1 }
        }
      }
    }
    for place in images.indices where images[place].failure == nil && images[place].predicted == nil {
      images[place].predicted = images[place].explanations.first.map { classifier.classify($0.imageEmbedding) }
    }
  }

  /// Image embeddings, without maps.
  func embeddings(of images: [PreparedImage]) throws(LeGradError) -> [Result<[Float], LeGradError>] {
    try explanations(of: images, text: nil).map { $0.map { $0[0].imageEmbedding } }
  }

  /// A batch's explanations by every method; without text, image embeddings alone.
  private func explanations(
    of images: [PreparedImage], text: TextEmbeddings?
  ) throws(LeGradError) -> [Result<[Explanation], LeGradError>] {
    try explainer.explainEach(
      images, text: text, methods: text == nil ? [settings.methods[0]] : settings.methods,
      correction: text == nil ? nil : settings.correction)
  }

  private func row(of image: EvaluatedImage) -> EvaluationRow {
    let device = image.device ?? explainer.device.arithmetic
    guard image.failure == nil else {
      return EvaluationRow(
        index: image.index, id: image.id, device: device,
        failure: image.failure?.message.text(settings.names))
    }
    let ids = dataset.classIDs + classifier.others
    return EvaluationRow(
      index: image.index, id: image.id, device: device, isCorrect: image.isCorrect,
      explained: image.question.count == 1 ? ids[image.question[0]] : nil, statistics: image.statistics(ids: ids))
  }
}

/// What is asked of an evaluation, other than model and data.
package struct EvaluationSettings: Sendable {
  package var benchmark: any Benchmark
  /// All share one forward.
  package var methods: [Method]
  /// What the model sees; every image is squashed to it.
  package var size: InputSize = .native
  /// Images, or their copies, that are computed together; bounds the memory, never a bit of the result.
  package var batchSize = 8
  /// Of images and maps on their way; a quarter of what the process may take if nil.
  package var memoryLimit: Int?
  /// The correction of SigLIP's maps.
  package var correction: EmptyTextCorrection?

  /// What rows of images that failed call the subjects of their messages.
  package var names: @Sendable (Subject) -> String = \.rawValue

  /// Told of an image whose file notes an orientation, and whether it was turned by that.
  package var orientationNoted: @Sendable (_ id: String, _ isTurned: Bool) -> Void = { _, _ in }

  package init(_ benchmark: any Benchmark, methods: [Method]) {
    self.benchmark = benchmark
    self.methods = methods
  }
}
