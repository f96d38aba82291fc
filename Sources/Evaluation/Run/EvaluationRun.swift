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

  /// Evaluates images, and hands over a row for each, in the order of `items`.
  /// - Parameters:
  ///   - items: places in the manifest.
  ///   - note: told of each image before it is read, and once it has been.
  ///   - isStopped: asked now and then; the rest is left when it says so.
  ///   - record: also told of which kind a failure is.
  /// - Throws: what ends the whole run: memory, the device, or what `record` throws.
  package func run(
    _ items: [Int], note: InFlightNote? = nil, isStopped: () -> Bool = { false },
    record: (EvaluationRow, FailureKind?) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    defer { note?.close() }
    // More than a batch, so that images of one class meet.
    let window = 2 * settings.batchSize
    for first in stride(from: 0, to: items.count, by: window) {
      guard !isStopped() else { return }
      var images: [EvaluatedImage] = []
      for index in items[first..<min(first + window, items.count)] { images.append(try load(index, note)) }
      try predict(&images)
      try explain(&images)
      try finish(&images, isStopped: isStopped, record: record)
    }
  }

  private func finish(
    _ images: inout [EvaluatedImage], isStopped: () -> Bool,
    record: (EvaluationRow, FailureKind?) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    let copies = CopyBatches(run: self)
    var first = 0
    while first < images.count {
      guard !isStopped() else { return }
      let end = min(first + copies.imagesTogether, images.count)
      try copies.run(&images[first..<end])
      for place in first..<end {
        try record(row(of: images[place]), images[place].failure?.kind)
        // What has been told is not needed any more.
        images[place].release()
      }
      first = end
    }
  }

  private func load(_ index: Int, _ note: InFlightNote?) throws(LeGradError) -> EvaluatedImage {
    let id = dataset.manifest.entries[index].id
    if let note, note.isToBlame, note.suspect == index {
      return EvaluatedImage(index: index, id: id, failure: Self.leftOut(id))
    }
    note?.begin(index)
    defer { note?.end() }
    let image: EvaluationImage
    let task: ImageTask
    do throws(LeGradError) {
      image = try dataset.image(at: index)
      task = try settings.benchmark.task(of: image)
    } catch {
      // One that is too large for the memory fails alone.
      guard [.input, .memory].contains(error.kind) else { throw error }
      return EvaluatedImage(index: index, id: id, failure: error)
    }
    if image.storedOrientation != .upright { settings.orientationNoted(id, image.isTurned) }
    let filter = settings.benchmark.filter(of: explainer.model)
    let squashed = image.image.resized(width: width, height: height, filter: filter)
    let prepared = try explainer.prepare(squashed, size: settings.size)
    return EvaluatedImage(index: index, id: id, image, task: task, squashed: squashed, prepared: prepared)
  }

  /// An image at which processes before this one died.
  private static func leftOut(_ id: String) -> LeGradError {
    fault(
      id, expected: "an image that can be read", found: "one while reading which an earlier process of this run died",
      remedy: "it is left out; see that it is no larger than memory allows, and evaluate into another folder")
  }

  /// Classifies the images whose predicted class is explained.
  private func predict(_ images: inout [EvaluatedImage]) throws(LeGradError) {
    let places = images.indices.filter { images[$0].waitsForPrediction }
    for first in stride(from: 0, to: places.count, by: settings.batchSize) {
      let batch = Array(places[first..<min(first + settings.batchSize, places.count)])
      let results = try embeddings(of: batch.compactMap { images[$0].prepared })
      for (place, result) in zip(batch, results) {
        images[place].take(result) { $0.predicted = classifier.classify($1) }
      }
    }
  }

  /// Explains images that are asked the same together. One that is asked for several classes is explained alone.
  private func explain(_ images: inout [EvaluatedImage]) throws(LeGradError) {
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
