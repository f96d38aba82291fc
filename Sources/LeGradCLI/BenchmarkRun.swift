import Compute
import ComputeOpenCL
import Evaluation
import Glibc
import ImageFiles
import LeGrad
import VisionTransformer

/// Measures one setting on one device.
struct BenchmarkRun {
  let explainer: Explainer
  let images: Int
  let prompts: Int
  let size: InputSize
  let methods: [Method]
  let batchSize: Int
  let repetitions: Int
  let measuresOperations: Bool

  private struct Measured {
    let seconds: [Double]
    let traffic: Traffic
    let kernels: [BenchmarkResult.Kernel]
  }

  func measure() throws -> BenchmarkResult {
    let (width, height) = inputSize
    var generator = SeededGenerator(seed: 1)
    let batches = try makeBatches(width: width, height: height, using: &generator)
    let text = try randomText(width: explainer.model.configuration.embeddingWidth, using: &generator)
    let peak = try explainer.measurePeak()
    var rows: [BenchmarkRow] = []
    var first: Measured?
    for method in methods {
      let measured = try measure(batches, text: text, [method])
      first = first ?? measured
      rows.append(try row(of: method, measured, peak: peak, width: width, height: height))
    }
    if methods.count > 1 { rows.append(try forwardRow(batches, peak: peak, width: width, height: height)) }
    guard let first else { preconditionFailure("a benchmark has methods") }
    // Read before operations are measured, which take memory of their own.
    let peakBytes = rows.last?.peakBytes ?? 0
    let moved = first.traffic
    if measuresOperations { rows += try operationRows(peak: peak, peakBytes: peakBytes) }
    let perImage = Double(images * repetitions)
    return BenchmarkResult(
      device: explainer.device.name, rows: rows, launchSeconds: try explainer.measureLaunch(),
      launchesPerImage: Double(moved.launches) / perImage, waitsPerImage: Double(moved.waits) / perImage,
      kernels: first.kernels)
  }

  private func measure(
    _ batches: [[PreparedImage]], text: TextEmbeddings?, _ methods: [Method]
  ) throws(LeGradError) -> Measured {
    try explain(batches, text: text, methods)
    let before = explainer.traffic
    let profileBefore = explainer.profile
    var seconds: [Double] = []
    var bar = ProgressBar(total: repetitions)
    for _ in 0..<repetitions {
      let start = ContinuousClock.now
      try explain(batches, text: text, methods)
      seconds.append((ContinuousClock.now - start).inSeconds)
      bar.advance()
    }
    bar.finish()
    return Measured(
      seconds: seconds, traffic: explainer.traffic - before,
      kernels: BenchmarkResult.kernels(from: profileBefore, to: explainer.profile))
  }

  private func explain(
    _ batches: [[PreparedImage]], text: TextEmbeddings?, _ methods: [Method]
  ) throws(LeGradError) {
    for batch in batches {
      for explanation in try explainer.explain(batch, text: text, methods: methods).joined() {
        for prompt in 0..<explanation.prompts { _ = explanation.heatmap(prompt: prompt) }
      }
    }
  }

  private func row(
    of method: Method, _ measured: Measured, peak: Double, width: Int, height: Int
  ) throws(LeGradError) -> BenchmarkRow {
    let layers = try method.blocks(of: explainer.model.configuration.vision.layers).count
    let arithmetic = Arithmetic(explainer.model, width: width, height: height)
    return row(
      method: method.name, precision: method.isDouble ? "f64" : nil, images: images, layers: layers,
      seconds: measured.seconds,
      arithmetic: Double(images) * arithmetic.explanation(method, prompts: prompts, usedLayers: layers), peak: peak,
      peakBytes: explainer.peakBytes ?? Self.peakResidentBytes,
      uploaded: measured.traffic.uploadedBytes / (images * repetitions),
      downloaded: measured.traffic.downloadedBytes / (images * repetitions))
  }

  /// The name of the row of image embeddings alone.
  static let forward = "forward"

  private func forwardRow(
    _ batches: [[PreparedImage]], peak: Double, width: Int, height: Int
  ) throws(LeGradError) -> BenchmarkRow {
    let measured = try measure(batches, text: nil, [.rawAttention])
    return row(
      method: Self.forward, images: images, layers: 0, seconds: measured.seconds,
      arithmetic: Double(images) * Arithmetic(explainer.model, width: width, height: height).forward, peak: peak,
      peakBytes: explainer.peakBytes ?? Self.peakResidentBytes,
      uploaded: measured.traffic.uploadedBytes / (images * repetitions),
      downloaded: measured.traffic.downloadedBytes / (images * repetitions))
  }

  /// Of one batch of the same size.
  private func operationRows(peak: Double, peakBytes: Int) throws(LeGradError) -> [BenchmarkRow] {
    let together = min(images, batchSize)
    let timings = try explainer.timeOperations(
      images: together, prompts: prompts, size: size, repetitions: repetitions)
    return timings.map {
      row(
        method: $0.operation + " " + $0.detail, images: together, layers: 1, seconds: $0.seconds,
        arithmetic: $0.arithmetic, peak: peak, peakBytes: peakBytes, uploaded: 0, downloaded: 0)
    }
  }

  private func row(
    method: String, precision: String? = nil, images: Int, layers: Int, seconds: [Double], arithmetic: Double,
    peak: Double, peakBytes: Int,
    uploaded: Int, downloaded: Int
  ) -> BenchmarkRow {
    let middle = median(seconds)
    let (width, height) = inputSize
    return BenchmarkRow(
      arch: explainer.model.name, method: method, device: explainer.device.name, variant: explainer.device.variant,
      precision: precision ?? explainer.precision.rawValue, size: "\(width)x\(height)", images: images,
      prompts: prompts,
      layers: layers, repetitions: repetitions, medianSeconds: middle, minSeconds: seconds.min() ?? middle,
      imagesPerSecond: Double(images) / middle, gflops: arithmetic / middle / 1e9,
      shareOfPeak: peak > 0 ? arithmetic / middle / peak : nil, peakBytes: peakBytes, uploadedBytes: uploaded,
      downloadedBytes: downloaded)
  }

  private var inputSize: (width: Int, height: Int) {
    let vision = explainer.model.configuration.vision
    if case .pixels(let width, let height) = size { return (width, height) }
    return (vision.imageWidth, vision.imageHeight)
  }

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

  private func randomText(width: Int, using generator: inout SeededGenerator) throws(LeGradError) -> TextEmbeddings {
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
