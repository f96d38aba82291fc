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

  /// The reports of one image by method, or why there are none.
  typealias Outcome = Result<[ExplanationReport], LeGradError>

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

  private struct Waiting {
    let index: Int
    let decoded: DecodedImage
    let prepared: PreparedImage
    let decodeSeconds, prepareSeconds: Double
  }

  private struct Explained {
    let image: Waiting
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

  /// Calls `report` with each image and its outcome, in the order of the plan.
  /// - Throws: what ends the whole run: memory, the device, or an output that cannot be written.
  func run(report: (_ image: String, Outcome) throws(LeGradError) -> Void) throws(LeGradError) {
    var waiting: [Waiting] = []
    var failures: [Int: LeGradError] = [:]
    // With `fit` neighbours may differ in size; more of them wait, so that equal sizes meet.
    let window = settings.resize == .fit ? 4 * settings.batchSize : settings.batchSize
    for index in writer.plan.items.indices {
      do { waiting.append(try prepare(index)) } catch { failures[index] = error }
      let pixels = waiting.reduce(0) { $0 + $1.decoded.image.width * $1.decoded.image.height }
      let isLast = index == writer.plan.items.count - 1
      guard waiting.count >= window || pixels >= Self.waitingPixelLimit || isLast else { continue }
      try finish(waiting, failures, report: report)
      waiting = []
      failures = [:]
    }
  }

  private func prepare(_ index: Int) throws(LeGradError) -> Waiting {
    let clock = ContinuousClock()
    let start = clock.now
    let decoded = try FileSystem.picture(writer.plan.items[index].image, pixelLimit: settings.pixelLimit)
    let middle = clock.now
    let prepared = try explainer.prepare(decoded.image, size: settings.size, resize: settings.resize)
    return Waiting(
      index: index, decoded: decoded, prepared: prepared, decodeSeconds: (middle - start) / .seconds(1),
      prepareSeconds: (clock.now - middle) / .seconds(1))
  }

  /// Explains and writes what waits, in batches of equal input size, and tells all outcomes in order.
  private func finish(
    _ waiting: [Waiting], _ failures: [Int: LeGradError],
    report: (_ image: String, Outcome) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    var results = failures.mapValues { Result<Explained, LeGradError>.failure($0) }
    let groups = Dictionary(grouping: waiting) { [$0.prepared.width, $0.prepared.height] }
    for group in groups.values.sorted(by: { $0[0].index < $1[0].index }) {
      for first in stride(from: 0, to: group.count, by: settings.batchSize) {
        try explain(group[first..<min(first + settings.batchSize, group.count)], into: &results)
      }
    }
    for (index, result) in results.sorted(by: { $0.key < $1.key }) {
      let outcome: Outcome
      switch result {
      case .success(let explained): outcome = .success(try write(explained))
      case .failure(let error): outcome = .failure(error)
      }
      try report(writer.plan.items[index].image, outcome)
    }
  }

  private func explain(
    _ batch: ArraySlice<Waiting>, into outcomes: inout [Int: Result<Explained, LeGradError>]
  ) throws(LeGradError) {
    let start = ContinuousClock.now
    guard let count = question.topClasses else {
      return try explain(batch, text: question.text, since: start, into: &outcomes)
    }
    // Which classes are the most probable is known once the batch was seen.
    let embeddings = try explainer.explainEach(batch.map(\.prepared), text: nil, methods: [settings.methods[0]])
    var groups: [(classes: [Int], images: [Waiting])] = []
    for (image, result) in zip(batch, embeddings) {
      switch result {
      case .success(let explanations):
        let classes = try explainer.topClasses(count, of: explanations[0].imageEmbedding).map(\.number)
        if let group = groups.firstIndex(where: { $0.classes == classes }) {
          groups[group].images.append(image)
        } else {
          groups.append((classes, [image]))
        }
      case .failure(let error): outcomes[image.index] = .failure(failure(error, of: image))
      }
    }
    for group in groups {
      try explain(group.images[...], text: explainer.encode(classes: group.classes), since: start, into: &outcomes)
    }
  }

  private func failure(_ error: LeGradError, of image: Waiting) -> LeGradError {
    LeGradError(.numerical, "\(writer.plan.items[image.index].image): \(error)")
  }

  private func explain(
    _ batch: ArraySlice<Waiting>, text: TextEmbeddings, since start: ContinuousClock.Instant,
    into outcomes: inout [Int: Result<Explained, LeGradError>]
  ) throws(LeGradError) {
    let results = try explainer.explainEach(
      batch.map(\.prepared), text: text, methods: settings.methods, correction: question.correction)
    let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(batch.count)
    var images: [Waiting] = []
    var explanations: [[Explanation]] = []
    for (image, result) in zip(batch, results) {
      switch result {
      case .success(let all):
        images.append(image)
        explanations.append(all)
      case .failure(let error): outcomes[image.index] = .failure(failure(error, of: image))
      }
    }
    let disagreements = try verification?.check(
      explanations, of: images.map { (writer.plan.items[$0.index].image, $0.prepared) }, by: explainer,
      methods: settings.methods, classes: text.classes)
    for (place, image) in images.enumerated() {
      outcomes[image.index] = .success(
        Explained(
          image: image, text: text, explanations: explanations[place], seconds: seconds,
          batchSize: images.count == batch.count ? batch.count : 1, device: explainer.device,
          precision: explainer.precision, disagreements: disagreements?[place]))
    }
  }

  private func write(_ result: Explained) throws(LeGradError) -> [ExplanationReport] {
    let item = writer.plan.items[result.image.index]
    var reports: [ExplanationReport] = []
    for (method, (explanation, files)) in zip(result.explanations, item.files).enumerated() {
      let start = ContinuousClock.now
      let heatmaps = (0..<explanation.prompts).map { explanation.heatmap(prompt: $0) }
      try writer.write(
        explanation, heatmaps: heatmaps, of: result.image.decoded.image, region: result.image.prepared.region,
        files: files)
      let timings = ExplanationReport.Timings(
        decodeSeconds: result.image.decodeSeconds, prepareSeconds: result.image.prepareSeconds,
        explainSeconds: result.seconds, writeSeconds: (ContinuousClock.now - start) / .seconds(1))
      reports.append(try report(result, method: method, heatmaps: heatmaps, timings: timings, item))
      try writer.write(reports[method])
    }
    return reports
  }

  private func report(
    _ result: Explained, method: Int, heatmaps: [Heatmap], timings: ExplanationReport.Timings, _ item: OutputPlan.Item
  ) throws(LeGradError) -> ExplanationReport {
    let explanation = result.explanations[method]
    let (decoded, region) = (result.image.decoded, result.image.prepared.region)
    let imageSize = ExplanationReport.Size(width: decoded.image.width, height: decoded.image.height)
    let options = explanation.method.report(of: explainer.model.configuration.vision)
    let text = result.text
    let classes = try text.classes.map { numbers throws(LeGradError) in
      try explainer.classScores(numbers, of: explanation.imageEmbedding)
    }
    let prompts = heatmaps.indices.map { prompt in
      let cells = explanation.relevance(prompt: prompt)
      return ExplanationReport.Prompt(
        prompt: text.prompts[prompt], tokens: text.lengths?[prompt].tokens, tokensCut: text.lengths?[prompt].cut,
        similarity: classes == nil ? explanation.similarities[prompt] : nil,
        class: classes.map { .init($0[prompt]) }, flat: heatmaps[prompt].isFlat,
        relevanceRange: [cells.min() ?? 0, cells.max() ?? 0],
        maximum: heatmaps[prompt].isFlat
          ? nil : .init(maximumOf: explanation, prompt: prompt, region: region, image: imageSize))
    }
    return ExplanationReport(
      version: Version.number, image: item.image,
      imageSize: imageSize,
      orientation: .init(stored: decoded.storedOrientation.rawValue, applied: decoded.appliedOrientation != .upright),
      decodingRemark: decoded.remark, prompts: prompts, model: identity, method: explanation.method.name,
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
      region: region, timings: timings, outputFolder: writer.plan.folder, files: item.files[method])
  }
}
