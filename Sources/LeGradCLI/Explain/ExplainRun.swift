import Compute
import Failures
import ImageFiles
import LeGrad
import VisionTransformer

/// Explains the images of a plan, a bounded number of them in memory at a time. An image that fails is told and the
/// rest go on.
struct ExplainRun {
  struct Settings: Sendable {
    var methods: [Method] = [.legrad()]
    var size: InputSize = .native
    var resize: ResizeMode = .squash
    var batchSize = ExplainRun.defaultBatchSize
    var pixelLimit = RGBImage.defaultPixelLimit
  }

  /// What became of one image.
  enum Outcome {
    /// By method.
    case explained([ExplanationReport])
    case failed(FailureReport, Failure)
  }

  /// Enough rows for full speed with the smallest towers, little memory with the largest.
  static let defaultBatchSize = 4
  /// Decoded pixels that may wait for a batch to fill.
  private static let waitingPixelLimit = 64 << 20

  let explainer: Explainer
  let question: Question
  let identity: ExplanationReport.ModelIdentity
  let writer: ExplanationWriter
  let settings: Settings
  let verification: Verification?

  /// A decoded image that waits for its batch.
  private struct Waiting {
    let index: Int
    let decoded: DecodedImage
    let prepared: PreparedImage
    let decodeSeconds: Double
    let prepareSeconds: Double
  }

  private struct Explained {
    /// By method.
    let explanations: [Explanation]
    /// Of all methods.
    let seconds: Double
    let batchSize: Int
    /// Another device may take over between two batches.
    let device: DeviceDescription
    let precision: Precision
    let disagreements: [Disagreement]?
  }

  /// Calls `report` with each image's outcome, in the order of the plan.
  /// - Throws: what ends the whole run: memory, the device, or an output that cannot be written.
  func run(report: (Outcome) throws(Failure) -> Void) throws(Failure) {
    var waiting: [Waiting] = []
    var failures: [(index: Int, failure: Failure)] = []
    // With `fit` neighbours may differ in size; more of them wait, so that equal sizes meet.
    let window = settings.resize == .fit ? 4 * settings.batchSize : settings.batchSize
    for index in writer.plan.items.indices {
      do throws(Failure) {
        waiting.append(try prepare(index))
      } catch {
        failures.append((index, error))
      }
      let pixels = waiting.reduce(0) { $0 + $1.decoded.image.width * $1.decoded.image.height }
      let isLast = index == writer.plan.items.count - 1
      guard waiting.count >= window || pixels >= Self.waitingPixelLimit || isLast else { continue }
      try finish(waiting, failures, report: report)
      waiting = []
      failures = []
    }
  }

  private func prepare(_ index: Int) throws(Failure) -> Waiting {
    let path = writer.plan.items[index].image
    if let reason = FileSystem.unreadableReason(path) {
      throw .badFile("\(path): the image cannot be read: \(reason)")
    }
    let clock = ContinuousClock()
    let start = clock.now
    let decoded: DecodedImage
    do {
      decoded = try RGBImage.decode(path: path, pixelLimit: settings.pixelLimit, applyOrientation: true)
    } catch { throw Failure(error) }
    let middle = clock.now
    let prepared: PreparedImage
    do {
      prepared = try explainer.prepare(decoded.image, size: settings.size, resize: settings.resize)
    } catch { throw Failure(error) }
    return Waiting(
      index: index, decoded: decoded, prepared: prepared, decodeSeconds: (middle - start) / .seconds(1),
      prepareSeconds: (clock.now - middle) / .seconds(1))
  }

  /// Explains and writes what waits, in batches of equal input size, and tells all outcomes in order.
  private func finish(
    _ waiting: [Waiting], _ failures: [(index: Int, failure: Failure)],
    report: (Outcome) throws(Failure) -> Void
  ) throws(Failure) {
    var explained: [Int: Explained] = [:]
    var failed = Dictionary(uniqueKeysWithValues: failures.map { ($0.index, $0.failure) })
    for batch in batches(of: waiting) { try explain(batch, into: &explained, failed: &failed) }
    let images = Dictionary(uniqueKeysWithValues: waiting.map { ($0.index, $0) })
    for index in (Array(explained.keys) + Array(failed.keys)).sorted() {
      if let failure = failed[index] {
        let image = writer.plan.items[index].image
        try report(.failed(FailureReport(image: image, error: failure.line), failure))
      } else if let image = images[index], let result = explained[index] {
        try report(.explained(try write(image, result)))
      }
    }
  }

  private func batches(of waiting: [Waiting]) -> [[Waiting]] {
    var order: [ExplanationReport.Size] = []
    var groups: [[Waiting]] = []
    for image in waiting {
      let size = ExplanationReport.Size(width: image.prepared.width, height: image.prepared.height)
      if let group = order.firstIndex(of: size) {
        groups[group].append(image)
      } else {
        order.append(size)
        groups.append([image])
      }
    }
    return groups.flatMap { group in
      stride(from: 0, to: group.count, by: settings.batchSize).map {
        Array(group[$0..<min($0 + settings.batchSize, group.count)])
      }
    }
  }

  private func explain(
    _ batch: [Waiting], into explained: inout [Int: Explained], failed: inout [Int: Failure]
  ) throws(Failure) {
    let start = ContinuousClock.now
    let results: [Result<[Explanation], LeGradError>]
    do {
      results = try explainer.explainEach(
        batch.map(\.prepared), text: question.text, methods: settings.methods, correction: question.correction)
    } catch { throw Failure(error) }
    let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(batch.count)
    var images: [Waiting] = []
    var explanations: [[Explanation]] = []
    for (image, result) in zip(batch, results) {
      switch result {
      case .success(let all):
        images.append(image)
        explanations.append(all)
      case .failure(let error):
        let name = writer.plan.items[image.index].image
        failed[image.index] = Failure(.numericalFault, "\(name): \(error.message.advice)")
      }
    }
    let disagreements = try verification?.check(
      explanations, of: images.map { (writer.plan.items[$0.index].image, $0.prepared) }, by: explainer,
      methods: settings.methods)
    for (index, image) in images.enumerated() {
      explained[image.index] = Explained(
        explanations: explanations[index], seconds: seconds, batchSize: images.count == batch.count ? batch.count : 1,
        device: explainer.device, precision: explainer.precision, disagreements: disagreements?[index])
    }
  }

  private func write(_ image: Waiting, _ result: Explained) throws(Failure) -> [ExplanationReport] {
    let files = writer.plan.items[image.index].files
    var reports: [ExplanationReport] = []
    for index in result.explanations.indices {
      reports.append(try write(image, result, method: index, files: files[index]))
    }
    return reports
  }

  private func write(
    _ image: Waiting, _ result: Explained, method: Int, files: OutputPlan.Files
  ) throws(Failure) -> ExplanationReport {
    let start = ContinuousClock.now
    let explanation = result.explanations[method]
    let heatmaps = (0..<explanation.prompts).map { explanation.heatmap(prompt: $0) }
    try writer.write(
      explanation, heatmaps: heatmaps, of: image.decoded.image, region: image.prepared.region, files: files)
    let timings = ExplanationReport.Timings(
      decodeSeconds: image.decodeSeconds, prepareSeconds: image.prepareSeconds, explainSeconds: result.seconds,
      writeSeconds: (ContinuousClock.now - start) / .seconds(1))
    let report = self.report(image, result, method: method, heatmaps: heatmaps, timings: timings, files: files)
    try writer.write(report)
    return report
  }

  private func report(
    _ image: Waiting, _ result: Explained, method: Int, heatmaps: [Heatmap], timings: ExplanationReport.Timings,
    files: OutputPlan.Files
  ) -> ExplanationReport {
    let item = writer.plan.items[image.index]
    let explanation = result.explanations[method]
    let region = image.prepared.region
    let options = explanation.method.report(of: explainer.model.configuration.vision)
    let prompts = heatmaps.indices.map { prompt in
      let cells = explanation.relevance(prompt: prompt)
      return ExplanationReport.Prompt(
        prompt: question.text.prompts[prompt], tokens: question.text.lengths?[prompt].tokens,
        tokensCut: question.text.lengths?[prompt].cut, similarity: explanation.similarities[prompt],
        flat: heatmaps[prompt].isFlat,
        relevanceRange: [cells.min() ?? 0, cells.max() ?? 0],
        maximum: heatmaps[prompt].isFlat
          ? nil : ExplanationReport.Point(maximumOf: explanation, prompt: prompt, region: region))
    }
    return ExplanationReport(
      version: Version.number, image: item.image,
      imageSize: .init(width: image.decoded.image.width, height: image.decoded.image.height),
      orientation: .init(
        stored: image.decoded.storedOrientation.rawValue, applied: image.decoded.appliedOrientation != .upright),
      prompts: prompts, model: identity, method: explanation.method.name,
      options: options.isEmpty ? nil : options,
      correction: explanation.method.isCorrected
        ? question.correction.map { .init($0, suppressed: explanation.suppressedCells.count) } : nil,
      layers: Array(explanation.layers),
      device: .init(result.device), precision: explanation.method.isFloat64 ? "f64" : result.precision.rawValue,
      verification: result.disagreements.map { .init($0[method]) }, batchSize: result.batchSize,
      inputSize: .init(width: explanation.inputWidth, height: explanation.inputHeight),
      grid: .init(width: explanation.grid.width, height: explanation.grid.height),
      resize: settings.resize.rawValue, filter: explainer.model.configuration.preprocessing.interpolation.rawValue,
      mean: explainer.pixelStatistics?.mean ?? [],
      std: explainer.pixelStatistics?.std ?? [],
      region: .init(x: region.x, y: region.y, width: region.width, height: region.height),
      timings: timings, outputFolder: writer.plan.folder, files: files)
  }
}
