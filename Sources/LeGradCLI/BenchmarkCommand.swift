import ArgumentParser
import Compute
import Glibc
import ImageFiles
import LeGrad
import VisionTransformer

struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure how fast images are explained.",
    discussion: """
      One repetition takes all images from preprocessed pixels to heatmaps, with random pixels and random unit text \
      rows. One repetition warms up and is not counted. gflops counts the arithmetic of the method's formulas; \
      shareOfPeak divides it by the float32 multiply-adds per second that the same device reaches in registers with \
      the same threads.
      """)

  enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case md, csv, json
  }

  @Option(help: "An architecture with random weights: \(Architecture.names).")
  var arch: String?

  @Option(name: [.customShort("m"), .long], help: "A model folder, or 'demo' (the default).")
  var model: String?

  @Option(help: "Random prompts per image.")
  var prompts = 1

  @Option(help: "Random images per repetition.")
  var images = 1

  @Option(help: "What the model sees: native, N, or WIDTHxHEIGHT in pixels, multiples of its patch.")
  var size: InputSize = .native

  @Option(help: "Blocks to sum over: all, last:N, or A..B (from 0, inclusive).")
  var layers: LayerSelection = .all

  @Option(help: "How to explain: legrad.")
  var method = "legrad"

  @OptionGroup var computing: DeviceOptions

  @Option(help: "Images computed together.")
  var batchSize = ExplainRun.defaultBatchSize

  @Option(help: "Repetitions after the warm-up.")
  var repetitions = 5

  @Option(name: [.customShort("o"), .long], help: "How to print the rows.")
  var output: OutputFormat = .md

  @Flag(help: "The same as -o json.")
  var json = false

  func validate() throws {
    try MethodList.check(method)
    guard arch == nil || model == nil else { throw ValidationError("--arch and -m exclude each other; give one") }
    try requirePositive(prompts, "--prompts", atMost: 100_000)
    try requirePositive(images, "--images", atMost: 100_000)
    try requirePositive(batchSize, "--batch-size", atMost: 65_536)
    try requirePositive(repetitions, "--repetitions", atMost: 1_000_000)
  }

  func run() throws {
    // This build computes on the CPU only, so that all devices are one.
    var computing = computing
    if computing.device == "all" { computing.device = "cpu" }
    var options = try computing.explainerOptions()
    // Random pixels need no statistics of a model's own.
    options.mean = [0.5, 0.5, 0.5]
    options.std = [0.5, 0.5, 0.5]
    let model = try openModel()
    try model.check(size: size, resize: .squash, layers: layers, options: options)
    let explainer = try Explainer(model, options: options)
    let row = try BenchmarkRun(
      explainer: explainer, images: images, prompts: prompts, size: size, layers: layers, batchSize: batchSize,
      repetitions: repetitions
    ).measure()
    switch json ? .json : output {
    case .md: Terminal.out(BenchmarkRow.markdown([row]))
    case .csv: Terminal.out(BenchmarkRow.csv([row]))
    case .json: Terminal.out(JSONText.encode([row]))
    }
  }

  private func openModel() throws(LeGradError) -> Model {
    if let arch { return try Model(randomArchitecture: arch) }
    if model == nil { Terminal.note("no --arch or -m given: using 'demo', the small model inside this program") }
    return try Model.open(model ?? "demo")
  }
}

/// Measures one setting.
struct BenchmarkRun {
  let explainer: Explainer
  let images: Int
  let prompts: Int
  let size: InputSize
  let layers: LayerSelection
  let batchSize: Int
  let repetitions: Int

  func measure() throws -> BenchmarkRow {
    let model = explainer.model
    let vision = model.configuration.vision
    var (width, height) = (vision.imageWidth, vision.imageHeight)
    if case .pixels(let askedWidth, let askedHeight) = size { (width, height) = (askedWidth, askedHeight) }
    var generator = SeededGenerator(seed: 1)
    let batches = try makeBatches(width: width, height: height, using: &generator)
    let text = try randomText(width: model.configuration.embeddingWidth, using: &generator)
    let peak = try explainer.measurePeak()

    try explain(batches, text: text)
    let before = explainer.traffic
    var seconds: [Double] = []
    var bar = ProgressBar(total: repetitions)
    for _ in 0..<repetitions {
      let start = ContinuousClock.now
      try explain(batches, text: text)
      seconds.append((ContinuousClock.now - start).inSeconds)
      bar.advance()
    }
    bar.finish()
    let traffic = explainer.traffic - before
    let usedLayers = try layers.blocks(of: vision.layers).count
    let operations =
      Double(images)
      * Arithmetic(model, width: width, height: height).explanation(prompts: prompts, usedLayers: usedLayers)
    let middle = median(seconds)
    return BenchmarkRow(
      arch: model.name, method: "legrad", device: explainer.device.name, variant: explainer.device.variant,
      precision: explainer.precision.rawValue, size: "\(width)x\(height)", images: images, prompts: prompts,
      layers: usedLayers, repetitions: repetitions, medianSeconds: middle, minSeconds: seconds.min() ?? middle,
      imagesPerSecond: Double(images) / middle, gflops: operations / middle / 1e9,
      shareOfPeak: peak > 0 ? operations / middle / peak : nil, peakBytes: Self.peakResidentBytes,
      uploadedBytes: traffic.uploadedBytes / (images * repetitions),
      downloadedBytes: traffic.downloadedBytes / (images * repetitions))
  }

  private func explain(_ batches: [[PreparedImage]], text: TextEmbeddings) throws(LeGradError) {
    for batch in batches {
      for explanation in try explainer.explain(batch, text: text, layers: layers) {
        for prompt in 0..<prompts { _ = explanation.heatmap(prompt: prompt) }
      }
    }
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
