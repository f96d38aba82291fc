import Compute
import ComputeOpenCL
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
  let layers: LayerSelection
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
    let measured = try measure(batches, text: text)
    // Read before operations are measured, which take memory of their own.
    let peakBytes = explainer.peakBytes ?? Self.peakResidentBytes
    let usedLayers = try layers.blocks(of: explainer.model.configuration.vision.layers).count
    let arithmetic =
      Double(images)
      * Arithmetic(explainer.model, width: width, height: height).explanation(prompts: prompts, usedLayers: usedLayers)
    let moved = measured.traffic
    var rows = [
      row(
        method: "legrad", images: images, layers: usedLayers, seconds: measured.seconds, arithmetic: arithmetic,
        peak: peak, peakBytes: peakBytes, uploaded: moved.uploadedBytes / (images * repetitions),
        downloaded: moved.downloadedBytes / (images * repetitions))
    ]
    if measuresOperations { rows += try operationRows(peak: peak, peakBytes: peakBytes) }
    let perImage = Double(images * repetitions)
    return BenchmarkResult(
      device: explainer.device.name, rows: rows, launchSeconds: try explainer.measureLaunch(),
      launchesPerImage: Double(moved.launches) / perImage, waitsPerImage: Double(moved.waits) / perImage,
      kernels: measured.kernels)
  }

  private func measure(_ batches: [[PreparedImage]], text: TextEmbeddings) throws(LeGradError) -> Measured {
    try explain(batches, text: text)
    let before = explainer.traffic
    let profileBefore = explainer.profile
    var seconds: [Double] = []
    var bar = ProgressBar(total: repetitions)
    for _ in 0..<repetitions {
      let start = ContinuousClock.now
      try explain(batches, text: text)
      seconds.append((ContinuousClock.now - start).inSeconds)
      bar.advance()
    }
    bar.finish()
    return Measured(
      seconds: seconds, traffic: explainer.traffic - before,
      kernels: BenchmarkResult.kernels(from: profileBefore, to: explainer.profile))
  }

  private func explain(_ batches: [[PreparedImage]], text: TextEmbeddings) throws(LeGradError) {
    for batch in batches {
      for explanation in try explainer.explain(batch, text: text, layers: layers) {
        for prompt in 0..<prompts { _ = explanation.heatmap(prompt: prompt) }
      }
    }
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
    method: String, images: Int, layers: Int, seconds: [Double], arithmetic: Double, peak: Double, peakBytes: Int,
    uploaded: Int, downloaded: Int
  ) -> BenchmarkRow {
    let middle = median(seconds)
    let (width, height) = inputSize
    return BenchmarkRow(
      arch: explainer.model.name, method: method, device: explainer.device.name, variant: explainer.device.variant,
      precision: explainer.precision.rawValue, size: "\(width)x\(height)", images: images, prompts: prompts,
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

/// SplitMix64: the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
