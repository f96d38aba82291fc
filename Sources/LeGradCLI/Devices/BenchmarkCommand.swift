import ArgumentParser
import Compute
import Failures
import Files
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

      --predict adds what a device is expected to take, stage by stage, with what bounds each: arithmetic, memory, local \
      memory, latency, launches, or the link to the host. The device that runs is measured beside it, each operation by \
      itself. A device by name is described by data sheets and compilers, and runs the kernels on its matrix units in all \
      precisions but f32, or those of --kernel-variant; "this" is the one that runs, by rates that are \
      measured in turn with the runs. --predict NAME --repetitions 0 runs nothing and reads no weights.

      --plot FILE.svg measures one method along four axes, from 1 to 10,000 images, 1 to 256 prompts, one to six times \
      the model's own side in pixels, and one block to all, each with all else as given, and draws time and memory with \
      the laws that fit them: straight lines, and squares of tokens for attention. -o csv prints the points.
      """)

  enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case md, csv, json
  }

  @Option(help: "An architecture with random weights: \(Architecture.names).")
  var arch: String?

  @Option(name: [.customShort("m"), .long], help: "A model folder, or 'demo' (the default).", transform: requireName)
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

  @Option(help: "Repetitions after the warm-up; 0 with --predict NAME for the prediction alone.")
  var repetitions = 5

  @Option(
    help: """
      Predict the time of each stage: \(PredictedDevice.known.map(\.name).joined(separator: ", ")), or this.
      """)
  var predict: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Add rows for a block's products, attention and relevance. Default: for --device all in a table.")
  var operations: Bool?

  @Flag(help: "Print the device's time in each kernel. Launches get slower by it.")
  var profile = false

  @Option(help: "An SVG file for time and memory against images, prompts, pixels and blocks, with their laws.")
  var plot: String?

  @Option(help: "Seconds that an axis of the plot may take; values that take longer are left out.")
  var plotSeconds = 60

  @Option(help: "NAME=FILE: the rows of another program (-o csv) in the plot, beside this one's. Repeatable.")
  var beside: [String] = []

  @Option(name: [.customShort("o"), .long], help: "How to print the rows.")
  var output: OutputFormat = .md

  @Flag(help: "The same as -o json.")
  var json = false

  func validate() throws {
    guard arch == nil || model == nil else { throw ValidationError("--arch and -m exclude each other; give one") }
    try requirePositive(prompts, "--prompts", atMost: 100_000)
    try requirePositive(images, "--images", atMost: 100_000)
    try requirePositive(batchSize, "--batch-size", atMost: 65_536)
    guard repetitions != 0 || predict == nil else {
      guard predict?.lowercased() != "this" else {
        throw ValidationError("--predict this measures the device in use; give --repetitions of 1 or more")
      }
      let measured: [(name: String, isGiven: Bool)] = [
        ("--device", computing.device != "auto"), ("--kernel-variant cpu", computing.kernelVariant == .cpu),
        ("--memory-limit", computing.memoryLimit != nil), ("--operations", operations != nil), ("--profile", profile),
        ("-o csv", format == .csv),
      ]
      if let option = measured.first(where: \.isGiven) {
        throw ValidationError(
          "\(option.name) says how a run is measured, and --repetitions 0 measures none; leave one of both out")
      }
      return
    }
    try requirePositive(repetitions, "--repetitions", atMost: 1_000_000)
    try requirePositive(plotSeconds, "--plot-seconds", atMost: 1_000_000)
    guard plot != nil else {
      guard beside.isEmpty else { throw ValidationError("--beside adds to a plot: give --plot FILE.svg too") }
      return
    }
    let others: [(name: String, isGiven: Bool)] = [
      ("--predict", predict != nil), ("--operations", operations != nil), ("--profile", profile),
      ("--device all", isForAll),
    ]
    if let option = others.first(where: \.isGiven) {
      throw ValidationError("\(option.name) is not for a plot; leave it or --plot out")
    }
    for text in beside where Self.parts(ofBeside: text) == nil {
      throw ValidationError("--beside \(text): expected NAME=FILE")
    }
  }

  private static func parts(ofBeside text: String) -> (name: String, file: String)? {
    let bytes = Array(text.utf8)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0, equals + 1 < bytes.count else { return nil }
    return (String(decoding: bytes[..<equals], as: UTF8.self), String(decoding: bytes[(equals + 1)...], as: UTF8.self))
  }

  private var format: OutputFormat { json ? .json : output }
  private var isForAll: Bool { computing.device == "all" }

  func run() throws {
    let target = try predictionTarget()
    guard repetitions > 0 else { return try predictAlone(target) }
    if let plot { return try drawGrowth(to: plot) }
    let devices = try isForAll ? allDevices() : [computing.choice]
    var failures = 0
    var results: [BenchmarkResult] = []
    let model = try openModel()
    for device in devices {
      do {
        results.append(try measure(model, on: device, predicting: target))
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

  private func predictionTarget() throws(LeGradError) -> PredictionTarget? {
    guard let predict else { return nil }
    guard predict.lowercased() != "this" else { return .this }
    return .known(try PredictedDevice(named: predict), computing.kernelVariant == .cpu ? nil : computing.kernelVariant)
  }

  /// What a described device is expected to take, where nothing is measured.
  private func predictAlone(_ target: PredictionTarget?) throws {
    guard case .known(let described, let kernels) = target else {
      preconditionFailure("validated: a device is named")
    }
    let options = try computing.explainerOptions(device: .cpu)
    try options.checkKernels()
    let precision = options.precision ?? kernels?.finestPrecision ?? .f32
    let device = described.computing(in: precision, by: kernels)
    let model = try openModel()
    let methods = try explaining.methods(layers: layers, for: model)
    var random = options
    random.pixelStatistics = .halves
    try model.check(size: size, resize: .squash, methods: methods, prompts: prompts, options: random)
    let (width, height) = size.pixels(of: model)
    let reports = try methods.map {
      try PredictionReport(
        model, on: device, method: $0, images: images, batchSize: batchSize, prompts: prompts, width: width,
        height: height, precision: precision, folds: options.foldsProjections)
    }
    if format == .json { return Terminal.out(JSONText.encode(Report(rows: [], predictions: reports))) }
    for line in reports.flatMap(\.lines) { Terminal.out(line.printable) }
  }

  /// What JSON has where something is predicted.
  private struct Report: Encodable {
    let rows: [BenchmarkRow]
    let predictions: [PredictionReport]
  }

  /// Measures along the axes, prints the points and writes the plot.
  private func drawGrowth(to file: String) throws {
    // Files that cannot be read end the command before minutes are spent.
    let others = try beside.compactMap(Self.parts(ofBeside:)).map { try GrowthSeries(name: $0.name, file: $0.file) }
    let model = try openModel()
    var options = try computing.explainerOptions(device: computing.choice)
    options.pixelStatistics = .halves
    let methods = try explaining.methods(layers: layers, for: model)
    guard methods.count == 1, let method = methods.first else {
      throw ValidationError("--plot is of one method; found \(methods.map(\.name).joined(separator: ", "))")
    }
    try model.check(size: size, resize: .squash, methods: methods, prompts: prompts, options: options)
    // So does a place that cannot be written.
    let picture = try TemporaryFile(target: file)
    let explainer = try Explainer(model, options: options)
    explainer.noteDevice(computing.choice)
    let run = GrowthRun(
      explainer: explainer, images: images, prompts: prompts, size: size, layers: layers, method: { method.told($0) },
      batchSize: batchSize, repetitions: repetitions, secondsPerAxis: Double(plotSeconds))
    let curves = try run.measure(note: Terminal.note)
    let series = GrowthSeries(name: "legrad \(Version.number)", curves: curves)
    let (width, height) = size.pixels(of: model)
    let title =
      "\(model.name), \(method.name), \(explainer.device.name), \(explainer.precision.rawValue); "
      + "but for the axis: images \(images), prompts \(prompts), pixels \(width)x\(height)"
    try picture.write(Array(GrowthPlot(title: title, series: [series] + others).svg.utf8))
    try picture.commit(overwrite: true, durably: false)
    let points = curves.flatMap(\.points)
    switch format {
    case .csv: Terminal.out(series.csv)
    case .json: Terminal.out(JSONText.encode(points))
    case .md:
      var table = ColumnTable(["axis", "value", "seconds", "at most"])
      for point in points {
        table.append([point.axis, point.value.grouped, point.seconds.decimal(places: 6), point.peakBytes.asBytes])
      }
      for line in table.lines() { Terminal.out(line) }
      for curve in curves { Terminal.out(curve.line) }
    }
    Terminal.note("the plot is in \(file.printable)")
  }

  private func measure(
    _ model: Model, on device: DeviceChoice, predicting target: PredictionTarget?
  ) throws -> BenchmarkResult {
    var options = try computing.explainerOptions(device: device)
    options.profiles = profile
    options.tracesOperations = target != nil
    // Random pixels need no statistics of a model's own.
    options.pixelStatistics = .halves
    let methods = try explaining.methods(layers: layers, for: model)
    try model.check(size: size, resize: .squash, methods: methods, prompts: prompts, options: options)
    let explainer = try Explainer(model, options: options)
    explainer.noteDevice(device)
    return try BenchmarkRun(
      explainer: explainer, images: images, prompts: prompts, size: size, methods: methods, batchSize: batchSize,
      repetitions: repetitions, measuresOperations: operations ?? (isForAll && format == .md), predicts: target
    ).measure()
  }

  /// Rows go to standard output; in a table the remarks follow them, beside data they go to standard error.
  private func print(_ results: [BenchmarkResult]) {
    let rows = results.flatMap(\.rows)
    switch format {
    case .md: Terminal.out(BenchmarkRow.markdown(rows))
    case .csv: Terminal.out(BenchmarkRow.csv(rows))
    case .json where predict != nil:
      Terminal.out(JSONText.encode(Report(rows: rows, predictions: results.flatMap(\.predictions))))
    case .json: Terminal.out(JSONText.encode(rows))
    }
    let tell = format == .md ? Terminal.out : Terminal.note
    for result in results {
      if format == .md { Terminal.out("") }
      for line in [result.launchLine] + result.costs.map(\.line) { tell(line.printable) }
      if profile { result.profileLines.forEach(tell) }
      if format != .json { for line in result.predictions.flatMap(\.lines) { tell(line.printable) } }
    }
  }

  private func openModel() throws(LeGradError) -> Model {
    if arch == nil, model == nil {
      Terminal.note("no --arch or -m given: using 'demo', the small model inside this program")
    }
    let opened =
      if let arch { try Model(randomArchitecture: arch) } else { try Model.open(model ?? "demo") }
    if let classes = opened.configuration.classes, prompts > classes.count {
      throw .usage("--prompts \(prompts): \(opened.name) has \(classes.count) classes")
    }
    return opened
  }
}
