import Compute
import Failures
import ImageFiles
import LeGrad
import Processes
import VisionTransformer

/// Explains the images of a plan: they are read ahead of the device, and drawn on and written behind it, a bounded number
/// of bytes at a time. An image that fails is told and the rest go on.
struct ExplainRun: Sendable {
  struct Settings: Sendable {
    var methods: [Method] = [.legrad()]
    var size: InputSize = .native
    var resize: ResizeMode = .squash
    var batchSize = ExplainRun.defaultBatchSize
    var pixelLimit = RGBImage.defaultPixelLimit
    /// Of what is on its way; a quarter of what the process may take if nil.
    var memoryLimit: Int?
  }

  /// The reports of one image by method, or why there are none.
  typealias Outcome = Result<[ExplanationReport], LeGradError>

  /// Enough rows for full speed with the smallest towers, little memory with the largest.
  static let defaultBatchSize = 4

  let explainer: Explainer
  let question: Question
  let identity: ExplanationReport.ModelIdentity
  let writer: ExplanationWriter
  let settings: Settings
  let verification: Verification?

  /// An image that was read.
  private struct Loaded: Sendable {
    let imageSize: ExplanationReport.Size
    let orientation: ExplanationReport.Orientation
    let remark: String?
    /// What overlays are drawn on, where there are any.
    let shown: ShownImage?
    let prepared: PreparedImage
    let decodeSeconds, prepareSeconds: Double
  }

  private typealias Images = Pipeline<Loaded, [ExplanationReport]>
  private typealias Batch = ArraySlice<(item: Int, loaded: Loaded)>

  private struct Explained: Sendable {
    let item: Int
    let image: Loaded
    /// What the image was asked for.
    let text: TextEmbeddings
    /// By method.
    let explanations: [Explanation]
    /// What all methods took.
    let seconds: Double
    let batchSize: Int
    /// Another device may take over between two batches.
    let device: DeviceDescription
    let precision: Precision
    let disagreements: [Disagreement]?
  }

  /// Calls `report` with each image, its outcome, and the stage that holds up the others, in the order of the plan.
  /// - Throws: what ends the whole run: memory, the device, or an output that cannot be written.
  func run(
    report: (_ image: String, Outcome, _ limit: String?) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    let hasOverlays = writer.plan.hasOverlays
    // With `fit` neighbours may differ in size; more of them wait, so that equal sizes meet.
    let window = settings.resize == .fit ? 4 * settings.batchSize : settings.batchSize
    let images = Images(
      count: writer.plan.items.count,
      stages: .init(
        open: { item throws(LeGradError) in try open(item, keepsPicture: hasOverlays) }, held: bytesHeld,
        compute: { batch, done throws(LeGradError) in
          for result in try explain(batch) where !done(result) { return }
        }),
      limits: .init(
        bytes: settings.memoryLimit ?? Explainer.defaultMemoryLimit, batch: window,
        computesOnThreads: explainer.device.backend == .native),
      budget: explainer.threadBudget)
    defer { images.stop() }
    while let (item, outcome) = try images.next() {
      try report(writer.plan.items[item].image, outcome, images.standing.limit?.rawValue)
    }
  }

  private func open(_ item: Int, keepsPicture: Bool) throws(LeGradError) -> Images.Opened {
    let clock = ContinuousClock()
    let start = clock.now
    let file = try FileSystem.pictureFile(writer.plan.items[item].image)
    let readSeconds = (clock.now - start) / .seconds(1)
    return Images.Opened(bytes: file.bytesToDecode) { () throws(LeGradError) in
      let start = clock.now
      let decoded: DecodedImage
      do throws(ImageError) {
        decoded = try file.decode(
          pixelLimit: settings.pixelLimit, applyOrientation: true, sharing: explainer.threadBudget)
      } catch {
        throw LeGradError(error)
      }
      let middle = clock.now
      let prepared = try explainer.prepare(decoded.image, size: settings.size, resize: settings.resize)
      let shown = keepsPicture ? show(decoded.image) : nil
      if let shown, max(shown.image.width, shown.image.height) > JPEGEncoder.sideLimit, writer.plan.hasJPEGs {
        throw .badFile(
          "\(writer.plan.items[item].image): a JPEG's sides have at most \(JPEGEncoder.sideLimit) pixels, the overlay has "
            + "\(shown.image.width) × \(shown.image.height); give a smaller --overlay-size, or --format png")
      }
      return Loaded(
        imageSize: .init(width: decoded.image.width, height: decoded.image.height),
        orientation: .init(stored: decoded.storedOrientation.rawValue, applied: decoded.appliedOrientation != .upright),
        remark: decoded.remark, shown: shown, prepared: prepared,
        decodeSeconds: readSeconds + (middle - start) / .seconds(1),
        prepareSeconds: (clock.now - middle) / .seconds(1))
    }
  }

  private func show(_ picture: RGBImage) -> ShownImage {
    writer.counted?(.shown)
    return ShownImage(picture, longerSide: writer.overlaySide, sharing: explainer.threadBudget)
  }

  /// What an image takes until its files are written: itself, its maps, and for each thread that draws an overlay the
  /// overlay, filtered and encoded.
  private func bytesHeld(_ image: Loaded) -> Int {
    let prompts = question.topClasses ?? question.text.count
    let maps = prompts * settings.methods.count
    let drawing = min(explainer.threadBudget.count, maps)
    return image.prepared.bytesHeld(maps: maps) + (image.shown?.image.pixels.count ?? 0) * (1 + 3 * drawing)
  }

  // MARK: On the device

  private func explain(
    _ batch: [(item: Int, loaded: Loaded)]
  ) throws(LeGradError) -> [Result<Images.Computed, LeGradError>] {
    let results = try Explainer.groups(
      of: batch, limit: settings.batchSize, \.prepared
    ) { batch throws(LeGradError) in
      var outcomes: [Int: Result<Explained, LeGradError>] = [:]
      try explain(batch, into: &outcomes)
      return batch.compactMap { outcomes[$0.item] }
    }
    return results.map { $0.map(files) }
  }

  private func explain(
    _ batch: Batch, into outcomes: inout [Int: Result<Explained, LeGradError>]
  ) throws(LeGradError) {
    let start = ContinuousClock.now
    guard let count = question.topClasses else {
      return try explain(batch, text: question.text, since: start, into: &outcomes)
    }
    // Which classes are the most probable is known once the batch was seen.
    let embeddings = try explainer.explainEach(
      batch.map(\.loaded.prepared), text: nil, methods: [settings.methods[0]])
    var groups: [(classes: [Int], images: Batch)] = []
    for (image, result) in zip(batch, embeddings) {
      switch result {
      case .success(let explanations):
        let classes = try explainer.topClasses(count, of: explanations[0].imageEmbedding).map(\.number)
        if let group = groups.firstIndex(where: { $0.classes == classes }) {
          groups[group].images.append(image)
        } else {
          groups.append((classes, [image]))
        }
      case .failure(let error): outcomes[image.item] = .failure(failure(error, of: image.item))
      }
    }
    for group in groups {
      try explain(group.images, text: explainer.encode(classes: group.classes), since: start, into: &outcomes)
    }
  }

  private func failure(_ error: LeGradError, of item: Int) -> LeGradError {
    LeGradError(.numerical, "\(writer.plan.items[item].image): \(error)")
  }

  private func explain(
    _ batch: Batch, text: TextEmbeddings, since start: ContinuousClock.Instant,
    into outcomes: inout [Int: Result<Explained, LeGradError>]
  ) throws(LeGradError) {
    let results = try explainer.explainEach(
      batch.map(\.loaded.prepared), text: text, methods: settings.methods, correction: question.correction)
    let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(batch.count)
    var images: [(item: Int, loaded: Loaded)] = []
    var explanations: [[Explanation]] = []
    for (image, result) in zip(batch, results) {
      switch result {
      case .success(let all):
        images.append(image)
        explanations.append(all)
      case .failure(let error): outcomes[image.item] = .failure(failure(error, of: image.item))
      }
    }
    let disagreements = try verification?.check(
      explanations, of: images.map { (writer.plan.items[$0.item].image, $0.loaded.prepared) }, by: explainer,
      methods: settings.methods, classes: text.classes)
    for (place, image) in images.enumerated() {
      outcomes[image.item] = .success(
        Explained(
          item: image.item, image: image.loaded, text: text, explanations: explanations[place], seconds: seconds,
          batchSize: images.count == batch.count ? batch.count : 1, device: explainer.device,
          precision: explainer.precision, disagreements: disagreements?[place]))
    }
  }

  // MARK: Behind it

  /// An image's files: the pictures of each prompt by each method, then the rest.
  private func files(of result: Explained) -> Images.Computed {
    let set = FileSet()
    let item = writer.plan.items[result.item]
    let prompts = result.explanations.map(ExplanationWriter.Prompts.init)
    var parts: [@Sendable () throws(LeGradError) -> Void] = []
    for (written, files) in zip(prompts, item.files) {
      for prompt in 0..<written.explanation.prompts {
        let task = PromptTask(
          writer: writer, prompt: prompt, prompts: written, image: result.image, files: files, set: set)
        parts.append(task.part)
      }
    }
    return Images.Computed(parts: parts) { () throws(LeGradError) in
      for (written, files) in zip(prompts, item.files) { try writer.writeArrays(of: written, files: files, into: set) }
      var reports: [ExplanationReport] = []
      for (method, written) in prompts.enumerated() {
        reports.append(try report(result, method: method, written, item))
        try writer.write(reports[method], into: set)
      }
      try set.commit()
      return reports
    }
  }

  /// The files of one prompt. A closure in its place ends Swift 6.3.1's compiler (CopyPropagation).
  private final class PromptTask: Sendable {
    let writer: ExplanationWriter
    let prompt: Int
    let prompts: ExplanationWriter.Prompts
    let image: Loaded
    let files: OutputPlan.Files
    let set: FileSet

    init(
      writer: ExplanationWriter, prompt: Int, prompts: ExplanationWriter.Prompts, image: Loaded,
      files: OutputPlan.Files, set: FileSet
    ) {
      (self.writer, self.prompt, self.prompts) = (writer, prompt, prompts)
      (self.image, self.files, self.set) = (image, files, set)
    }

    func part() throws(LeGradError) {
      try writer.write(
        prompt: prompt, of: prompts, over: image.shown, region: image.prepared.region, files: files, into: set)
    }
  }

  private func report(
    _ result: Explained, method: Int, _ written: ExplanationWriter.Prompts, _ item: OutputPlan.Item
  ) throws(LeGradError) -> ExplanationReport {
    let (explanation, flat) = (written.explanation, written.flat)
    let (image, region) = (result.image, result.image.prepared.region)
    let options = explanation.method.report(of: explainer.model.configuration.vision)
    let text = result.text
    let classes = try text.classes.map { numbers throws(LeGradError) in
      try explainer.classScores(numbers, of: explanation.imageEmbedding)
    }
    let prompts = flat.indices.map { prompt in
      let cells = explanation.relevance(prompt: prompt)
      return ExplanationReport.Prompt(
        prompt: text.prompts[prompt], tokens: text.lengths?[prompt].tokens, tokensCut: text.lengths?[prompt].cut,
        similarity: classes == nil ? explanation.similarities[prompt] : nil,
        class: classes.map { .init($0[prompt]) }, flat: flat[prompt],
        relevanceRange: [cells.min() ?? 0, cells.max() ?? 0],
        maximum: flat[prompt]
          ? nil : .init(maximumOf: explanation, prompt: prompt, region: region, image: image.imageSize))
    }
    return ExplanationReport(
      version: Version.number, image: item.image,
      imageSize: image.imageSize, orientation: image.orientation, decodingRemark: image.remark, prompts: prompts,
      model: identity, method: explanation.method.name,
      options: options.isEmpty ? nil : options,
      correction: explanation.method.isCorrected
        ? question.correction.map { .init($0, suppressed: explanation.suppressedCells.count) } : nil,
      layers: Array(explanation.layers),
      device: .init(result.device), precision: explanation.method.precisionName(on: result.precision),
      verification: result.disagreements.map { .init($0[method]) }, batchSize: result.batchSize,
      inputSize: .init(width: explanation.inputWidth, height: explanation.inputHeight),
      grid: .init(width: explanation.grid.width, height: explanation.grid.height),
      resize: settings.resize.rawValue, filter: explainer.model.configuration.preprocessing.interpolation.rawValue,
      mean: explainer.pixelStatistics?.mean ?? [], std: explainer.pixelStatistics?.std ?? [],
      region: region,
      overlaySize: image.shown.map { .init(width: $0.image.width, height: $0.image.height) },
      timings: .init(
        decodeSeconds: image.decodeSeconds, prepareSeconds: image.prepareSeconds, explainSeconds: result.seconds,
        writeSeconds: written.seconds), outputFolder: writer.plan.folder, files: item.files[method])
  }
}
