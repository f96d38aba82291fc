import ArgumentParser
import Failures
import ImageFiles
import LeGrad
import VisionTransformer

struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure how fast images are explained.",
    discussion: """
      One repetition takes all images from preprocessed pixels to heatmaps, with random pixels and random unit text \
      rows, or a classifier's classes. Two repetitions warm up and are not counted. gflops counts the arithmetic of the method's formulas; \
      shareOfPeak divides it by the float32 multiply-adds per second that the same device reaches in registers with \
      the same threads. Rows of operations have the arithmetic of that operation.

      Several methods have a row each, measured one by one, and one for the forward alone.

      With --device all every device is measured, side by side; one that fails is told and the rest go on.
      """)

  enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case md, csv, json
  }

  @Option(help: "An architecture with random weights: \(Architecture.names).")
  var arch: String?

  @Option(name: [.customShort("m"), .long], help: "A model folder, or 'demo' (the default).")
  var model: String?

  @Option(help: "Random prompts per image, or classes of a classifier.")
  var prompts = 1

  @Option(help: "Random images per repetition.")
  var images = 1

  @Option(help: "What the model sees: native, N, or WIDTHxHEIGHT in pixels, multiples of its patch.")
  var size: InputSize = .native

  @Option(help: "Blocks that legrad sums over: all, last:N, or A..B (from 0, inclusive).")
  var layers: LayerSelection = .all

  @OptionGroup var explaining: MethodOptions

  @OptionGroup var computing: DeviceOptions

  @Option(help: "Images computed together.")
  var batchSize = ExplainRun.defaultBatchSize

  @Option(help: "Repetitions after the warm-up.")
  var repetitions = 5

  @Flag(
    inversion: .prefixedNo,
    help: "Add rows for a block's products, attention and relevance. Default: for --device all in a table.")
  var operations: Bool?

  @Flag(help: "Print the device's time in each kernel. Launches get slower by it.")
  var profile = false

  @Option(name: [.customShort("o"), .long], help: "How to print the rows.")
  var output: OutputFormat = .md

  @Flag(help: "The same as -o json.")
  var json = false

  func validate() throws {
    guard arch == nil || model == nil else { throw ValidationError("--arch and -m exclude each other; give one") }
    try requirePositive(prompts, "--prompts", atMost: 100_000)
    try requirePositive(images, "--images", atMost: 100_000)
    try requirePositive(batchSize, "--batch-size", atMost: 65_536)
    try requirePositive(repetitions, "--repetitions", atMost: 1_000_000)
  }

  private var format: OutputFormat { json ? .json : output }
  private var isForAll: Bool { computing.device == "all" }

  func run() throws {
    let devices = try isForAll ? allDevices() : [computing.choice]
    var failures = 0
    var results: [BenchmarkResult] = []
    let model = try openModel()
    for device in devices {
      do {
        results.append(try measure(model, on: device))
      } catch  where isForAll {
        failures += 1
        Terminal.error("\(name(of: device)): \(LeGradError(error, command: Self.self).line)")
      }
    }
    if !results.isEmpty || isForAll { print(results) }
    guard failures == 0 else { throw ExitStatus.someFailed }
  }

  private func allDevices() throws -> [DeviceChoice] {
    if let problem = DeviceSummary.loaderProblem { Terminal.note("only the CPU is measured: \(problem)") }
    for line in DeviceSummary.emptyPlatforms { Terminal.note(line) }
    return try DeviceSummary.all(try computing.options()).map { .named("\($0.index)") }
  }

  private func name(of device: DeviceChoice) -> String {
    if case .named(let name) = device { "device \(name)" } else { "device \(computing.device)" }
  }

  private func measure(_ model: Model, on device: DeviceChoice) throws -> BenchmarkResult {
    var options = try computing.explainerOptions(device: device)
    options.profiles = profile
    // Random pixels need no statistics of a model's own.
    options.pixelStatistics = .halves
    let methods = try explaining.methods(layers: layers, for: model)
    try model.check(size: size, resize: .squash, methods: methods, prompts: prompts, options: options)
    let explainer = try Explainer(model, options: options)
    explainer.noteDevice(device)
    return try BenchmarkRun(
      explainer: explainer, images: images, prompts: prompts, size: size, methods: methods, batchSize: batchSize,
      repetitions: repetitions, measuresOperations: operations ?? (isForAll && format == .md)
    ).measure()
  }

  /// Rows go to standard output; in a table the remarks follow them, beside data they go to standard error.
  private func print(_ results: [BenchmarkResult]) {
    let rows = results.flatMap(\.rows)
    switch format {
    case .md: Terminal.out(BenchmarkRow.markdown(rows))
    case .csv: Terminal.out(BenchmarkRow.csv(rows))
    case .json: Terminal.out(JSONText.encode(rows))
    }
    let tell = format == .md ? Terminal.out : Terminal.note
    for result in results {
      if format == .md { Terminal.out("") }
      for line in [result.launchLine] + result.costs.map(\.line) { tell(line.printable) }
      if profile { result.profileLines.forEach(tell) }
    }
  }

  private func openModel() throws(LeGradError) -> Model {
    if let arch { return try Model(randomArchitecture: arch) }
    if model == nil { Terminal.note("no --arch or -m given: using 'demo', the small model inside this program") }
    return try Model.open(model ?? "demo")
  }
}
