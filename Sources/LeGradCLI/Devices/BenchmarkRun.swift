import Compute
import Glibc
import ImageFiles
import LeGrad
import Randomness
import VisionTransformer

struct BenchmarkRun {
  let explainer: Explainer
  let images, prompts: Int
  let size: InputSize
  let methods: [Method]
  let batchSize: Int
  let repetitions: Int
  let measuresOperations: Bool
  let predicts: PredictionTarget?

  private struct Measured {
    var seconds: [Double] = []
    /// Seconds of the forward alone, right after each repetition; empty unless it was asked for.
    var forwardSeconds: [Double] = []
    var traffic = Traffic()
    var forwardTraffic = Traffic()
    var kernels: [BenchmarkResult.Kernel] = []
    /// Arithmetic operations per second of a block's products, measured in between; empty like `forwardSeconds`.
    var productRates: [Double] = []
  }

  /// Images, text and what there is to say about the device.
  private struct Setting {
    let batches: [[PreparedImage]]
    let text: TextEmbeddings
    let peak: Double
    let arithmetic: Arithmetic
  }

  func measure() throws -> BenchmarkResult {
    let (width, height) = inputSize
    var generator = SeededGenerator(seed: 1)
    let setting = Setting(
      batches: try makeBatches(width: width, height: height, using: &generator),
      text: try Self.text(for: explainer, prompts: prompts, using: &generator),
      peak: try explainer.measurePeak(), arithmetic: Arithmetic(explainer.model, width: width, height: height))
    var rows: [BenchmarkRow] = []
    var costs: [BenchmarkResult.MethodCost] = []
    var measured: [Measured] = []
    for method in methods {
      measured.append(try measure(setting, method))
      rows.append(try row(of: method, measured[measured.count - 1], setting))
    }
    if methods.count > 1 {
      for (method, measured) in zip(methods, measured) { costs.append(try cost(of: method, measured, setting)) }
      rows.append(forwardRow(measured, setting))
    }
    guard let first = measured.first else { preconditionFailure("a benchmark has methods") }
    // Read before operations are measured, which take memory of their own.
    let peakBytes = rows.last?.peakBytes ?? 0
    if measuresOperations { rows += try operationRows(peak: setting.peak, peakBytes: peakBytes) }
    let predictions = try methods.compactMap { try prediction(of: $0, setting) }
    let perImage = Double(images * repetitions)
    return BenchmarkResult(
      device: explainer.device.name, rows: rows, costs: costs, launchSeconds: try explainer.measureLaunch(),
      launchesPerImage: Double(first.traffic.launches) / perImage,
      enqueuesPerImage: Double(first.traffic.enqueues) / perImage,
      waitsPerImage: Double(first.traffic.waits) / perImage, kernels: first.kernels, predictions: predictions)
  }

  private func prediction(of method: Method, _ setting: Setting) throws -> PredictionReport? {
    guard let predicts else { return nil }
    let (width, height) = inputSize
    return try PredictionRun(
      explainer: explainer, target: predicts, batches: setting.batches, text: setting.text, method: method,
      repetitions: repetitions
    ).measure(size: "\(width)x\(height)")
  }

  /// A method by itself; among several, with the forward beside every repetition, so that both see the same machine.
  private func measure(_ setting: Setting, _ method: Method) throws(LeGradError) -> Measured {
    var measured = Measured()
    // The first finds weights in their file, the second takes memory for them.
    for _ in 0..<2 { try explain(setting, by: method) }
    let profileBefore = explainer.profile
    var bar = ProgressBar(total: repetitions)
    for _ in 0..<repetitions {
      var before = explainer.traffic
      measured.seconds.append(try explain(setting, by: method))
      measured.traffic = measured.traffic + (explainer.traffic - before)
      if methods.count > 1 {
        // The memory of the other's run is made anew at each change, which is no part of either.
        try explain(setting, by: method, forwardAlone: true)
        before = explainer.traffic
        measured.forwardSeconds.append(try explain(setting, by: method, forwardAlone: true))
        measured.forwardTraffic = measured.forwardTraffic + (explainer.traffic - before)
        measured.productRates.append(try productRate())
        try explain(setting, by: method)
      }
      bar.advance()
    }
    bar.finish()
    measured.kernels = BenchmarkResult.kernels(from: profileBefore, to: explainer.profile)
    return measured
  }

  /// - Returns: the seconds that it takes.
  @discardableResult
  private func explain(
    _ setting: Setting, by method: Method, forwardAlone: Bool = false
  ) throws(LeGradError) -> Double {
    let start = ContinuousClock.now
    for batch in setting.batches {
      let text = forwardAlone ? nil : setting.text
      for explanation in try explainer.explain(batch, text: text, methods: [method]).joined() {
        for prompt in 0..<explanation.prompts { _ = explanation.heatmap(prompt: prompt) }
      }
    }
    return (ContinuousClock.now - start) / .seconds(1)
  }

  /// Arithmetic operations per second of a block's products.
  private func productRate() throws(LeGradError) -> Double {
    let products = try explainer.timeOperations(
      images: min(images, batchSize), prompts: prompts, size: size, repetitions: 3
    ).filter { $0.operation == .matmul }
    return products.reduce(0) { $0 + $1.arithmetic } / products.reduce(0) { $0 + median($1.seconds) }
  }

  /// The blocks that a method reads, and its arithmetic operations in a repetition.
  private func work(of method: Method, _ setting: Setting) throws(LeGradError) -> (layers: Int, arithmetic: Double) {
    let layers = try method.blocks(of: explainer.model.configuration.vision.layers).count
    return (layers, Double(images) * method.arithmetic(setting.arithmetic, prompts: prompts, layers: layers))
  }

  private func cost(
    of method: Method, _ measured: Measured, _ setting: Setting
  ) throws(LeGradError) -> BenchmarkResult.MethodCost {
    let arithmetic = try work(of: method, setting).arithmetic
    return BenchmarkResult.MethodCost(
      method: method.name, overForward: median(zip(measured.seconds, measured.forwardSeconds).map { $0 / $1 }),
      overArithmetic: median(zip(measured.seconds, measured.productRates).map { $0 * $1 }) / arithmetic,
      productRate: median(measured.productRates))
  }

  private func row(of method: Method, _ measured: Measured, _ setting: Setting) throws(LeGradError) -> BenchmarkRow {
    let (layers, arithmetic) = try work(of: method, setting)
    return row(
      method.name, precision: method.precisionName(on: explainer.precision), layers: layers, seconds: measured.seconds,
      arithmetic: arithmetic, peak: setting.peak, traffic: measured.traffic, runs: images * repetitions)
  }

  /// The name of the row of image embeddings alone.
  static let forward = "forward"

  /// What was measured of the forward beside every method.
  private func forwardRow(_ measured: [Measured], _ setting: Setting) -> BenchmarkRow {
    row(
      Self.forward, layers: 0, seconds: measured.flatMap(\.forwardSeconds),
      arithmetic: Double(images) * setting.arithmetic.forward, peak: setting.peak,
      traffic: measured.reduce(Traffic()) { $0 + $1.forwardTraffic }, runs: images * repetitions * measured.count)
  }

  /// The operations of one batch of the size of the images'.
  private func operationRows(peak: Double, peakBytes: Int) throws(LeGradError) -> [BenchmarkRow] {
    let together = min(images, batchSize)
    return try explainer.timeOperations(images: together, prompts: prompts, size: size, repetitions: repetitions).map {
      row(
        $0.operation.rawValue + " " + $0.detail, images: together, layers: 1, seconds: $0.seconds,
        arithmetic: $0.arithmetic, peak: peak, peakBytes: peakBytes)
    }
  }

  /// - Parameters:
  ///   - images: how many were measured, if not all.
  ///   - peakBytes: if not what it is now.
  ///   - runs: images that `traffic` is of.
  private func row(
    _ method: String, precision: String? = nil, images: Int? = nil, layers: Int, seconds: [Double], arithmetic: Double,
    peak: Double, peakBytes: Int? = nil, traffic: Traffic = Traffic(), runs: Int = 1
  ) -> BenchmarkRow {
    let middle = median(seconds)
    let (width, height) = inputSize
    let images = images ?? self.images
    return BenchmarkRow(
      arch: explainer.model.name, method: method, device: explainer.device.name,
      variant: explainer.device.variant?.description ?? "", precision: precision ?? explainer.precision.rawValue,
      size: "\(width)x\(height)", images: images, prompts: prompts, layers: layers, repetitions: repetitions,
      medianSeconds: middle, minSeconds: seconds.min() ?? middle, imagesPerSecond: Double(images) / middle,
      gflops: arithmetic / middle / 1e9, shareOfPeak: peak > 0 ? arithmetic / middle / peak : nil,
      peakBytes: peakBytes ?? explainer.peakBytes ?? Self.peakResidentBytes,
      uploadedBytes: traffic.uploadedBytes / runs, downloadedBytes: traffic.downloadedBytes / runs)
  }

  private var inputSize: (width: Int, height: Int) { size.pixels(of: explainer.model) }

  private func makeBatches(
    width: Int, height: Int, using generator: inout SeededGenerator
  ) throws(LeGradError) -> [[PreparedImage]] {
    var batches: [[PreparedImage]] = []
    for index in 0..<images {
      let pixels = (0..<width * height * 3).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 56) }
      let image = try explainer.prepare(RGBImage(width: width, height: height, pixels: pixels), size: size)
      if index % batchSize == 0 { batches.append([]) }
      batches[batches.count - 1].append(image)
    }
    return batches
  }

  /// What images are explained for: a classifier's classes, far apart in their order, or random unit rows.
  static func text(
    for explainer: Explainer, prompts: Int, using generator: inout SeededGenerator
  ) throws(LeGradError) -> TextEmbeddings {
    if let classes = explainer.classes {
      return try explainer.encode(classes: (0..<prompts).map { $0 * classes.count / prompts })
    }
    let width = explainer.model.configuration.embeddingWidth
    // Sums of uniform numbers: near enough to normal for directions without preference.
    let values = (0..<prompts * width).map { _ in
      (0..<4).reduce(Float(0)) { sum, _ in sum + Float(generator.next() >> 40) / Float(1 << 24) } - 2
    }
    return try TextEmbeddings(rows: values, width: width)
  }

  private static var peakResidentBytes: Int {
    var usage = rusage()
    guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    // Linux counts in KiB.
    return usage.ru_maxrss * 1024
  }
}

/// Middle of a list of times; the mean of the two in the middle of an even count.
func median(_ values: [Double]) -> Double {
  precondition(!values.isEmpty, "a median needs values")
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension InputSize {
  /// Width and height in pixels of what a model sees.
  func pixels(of model: Model) -> (width: Int, height: Int) {
    let vision = model.configuration.vision
    if case .pixels(let width, let height) = self { return (width, height) }
    return (vision.imageWidth, vision.imageHeight)
  }
}
