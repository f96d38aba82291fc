public import ArgumentParser
import Compute
public import ComputeOpenCL
public import ImageFiles
public import LeGrad
import VisionTransformer

extension ResizeMode: ExpressibleByArgument {}
extension Colormap: ExpressibleByArgument {}

// `allValueStrings` is what the parser says to expect where a value is none of these.

extension LayerSelection: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public static var allValueStrings: [String] { ["all", "last:N", "A..B"] }
}

extension InputSize: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { "native" }
  public static var allValueStrings: [String] { ["native", "N", "WIDTHxHEIGHT"] }
}

extension KernelVariant: ExpressibleByArgument {}

/// Which model.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: "A model folder in OpenCLIP or Hugging Face layout, or 'demo', the small model inside this program.")
  var model: String?

  /// The model that is named, else the bundled one, and says so.
  func open() throws(LeGradError) -> Model {
    if model == nil { Terminal.note("no -m given: using 'demo', the small model inside this program") }
    return try Model.open(model ?? "demo")
  }
}

/// The statistics of pixels in place of the folder's.
struct PixelOptions: ParsableArguments {
  @Option(help: "Pixel means R,G,B in place of the folder's.")
  var mean: ChannelValues?

  @Option(help: "Pixel standard deviations R,G,B in place of the folder's.")
  var std: ChannelValues?

  func validate() throws {
    guard (mean == nil) == (std == nil) else { throw ValidationError("--mean and --std belong together; give both") }
    if let std, !std.values.allSatisfy({ $0 > 0 }) {
      throw ValidationError("--std: expected three numbers above zero, found \(std.values)")
    }
  }
}

/// What to compute on, and how.
struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Where to compute: auto (the first OpenCL GPU, else the CPU), cpu, gpu, opencl (the first of any kind), or an \
      index or part of a name from 'legrad devices'.
      """,
      valueName: "device"))
  var device = "auto"

  @Option(help: "How weights and the inputs of products are stored: f32, f16, bf16, or auto for the device's fastest.")
  var precision: PrecisionChoice = .f32

  @Option(help: "Threads of the CPU; all cores if not given.")
  var threads: Int?

  @Option(help: "Kernels of an OpenCL device; those that are faster on it if not given.")
  var kernelVariant: KernelVariant?

  @Option(
    help: ArgumentHelp(
      "Memory of an OpenCL device to use at most, such as 4GiB or 500M; weights that exceed it stream.",
      valueName: "bytes"))
  var memoryLimit: ByteCount?

  func validate() throws {
    try requirePositive(threads, "--threads", atMost: 4096)
  }

  /// Checked as far as that goes without a model.
  /// - Parameters:
  ///   - device: in place of the one on the command line.
  ///   - pixels: statistics in place of the folder's.
  func explainerOptions(
    device: DeviceChoice? = nil, pixels: PixelOptions? = nil
  ) throws(Failure) -> Explainer.Options {
    var options = Explainer.Options()
    options.mean = pixels?.mean?.values
    options.std = pixels?.std?.values
    options.device = device ?? choice
    options.threads = threads
    options.precision = Precision(rawValue: precision.rawValue)
    options.kernelVariant = kernelVariant
    options.memoryLimit = memoryLimit?.bytes
    options.notify = Terminal.note
    do { try options.device.check() } catch { throw Failure(error) }
    return options
  }

  var choice: DeviceChoice { DeviceChoice(device) }

  /// A GPU for each process of a machine, in turn, where a launcher counts them and the choice leaves it open.
  func choice(localRank: Int?) throws(LeGradError) -> DeviceChoice {
    guard let localRank, [.auto, .gpu].contains(choice) else { return choice }
    let gpus = try DeviceSummary.all().filter { $0.kind == "gpu" && $0.isAvailable }
    return gpus.count < 2 ? choice : .named("\(gpus[localRank % gpus.count].index)")
  }
}

extension Explainer {
  /// Says which device a choice stands for and why, unless that is plain.
  func noteDevice(_ choice: DeviceChoice) {
    if choice != .cpu { Terminal.note("device: \(device.name) (\(device.reason))") }
  }
}

/// A precision, or the fastest one of the device.
enum PrecisionChoice: String, CaseIterable, ExpressibleByArgument, Sendable {
  case f32, f16, bf16, auto
}

/// Three numbers, one a colour channel.
struct ChannelValues: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = ["R,G,B"]

  let values: [Double]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let values = parts.compactMap { Double($0.trimmingSpaces()) }
    guard parts.count == 3, values.count == 3, values.allSatisfy(\.isFinite) else { return nil }
    self.values = values
  }
}

/// A comma-separated list of output formats.
struct FormatList: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = OutputPlan.Format.allCases.map(\.rawValue) + ["a list of them with commas"]

  let formats: Set<OutputPlan.Format>

  init(_ formats: Set<OutputPlan.Format>) { self.formats = formats }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let formats = parts.compactMap { OutputPlan.Format(rawValue: $0.trimmingSpaces()) }
    guard !formats.isEmpty, formats.count == parts.count else { return nil }
    self.formats = Set(formats)
  }

  var defaultValueDescription: String {
    OutputPlan.Format.allCases.filter(formats.contains).map(\.rawValue).joined(separator: ",")
  }
}

/// Which methods.
struct MethodChoice: ParsableArguments {
  static let names = Method.all.map(\.name)

  @Option(
    help: """
      How to explain: any of \(names.joined(separator: ",")), or all that are defined for the model. They share one \
      forward.
      """)
  var method = names[0]

  @Option(help: "The first block that rollout multiplies, from 0.")
  var rolloutStart = RolloutStart.standard.block

  func validate() throws {
    _ = try methods()
    guard rolloutStart >= 0 else {
      throw ValidationError("--rollout-start \(rolloutStart): expected a block, from 0")
    }
  }

  var isAll: Bool { method == "all" }

  /// In the order asked for, other settings than rollout's as by default. Where all are asked for, those that are not
  /// defined for `model` are left out, which is said.
  func methods(for model: Model? = nil) throws -> [Method] {
    let methods = try named.map { $0.told(RolloutStart(block: rolloutStart)) }
    guard isAll, let model else { return methods }
    let vision = model.configuration.vision
    let others = methods.filter { !$0.isDefined(for: vision) }.map(\.name)
    if !others.isEmpty {
      Terminal.note("\(others.joined(separator: ", ")) left out: not defined for the tower of \(model.name)")
    }
    return methods.filter { $0.isDefined(for: vision) }
  }

  /// The methods of the list, with their defaults.
  private var named: [Method] {
    get throws {
      let names =
        isAll
        ? Self.names : method.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces() }
      var methods: [Method] = []
      for name in names {
        guard let method = Method(name: name) else {
          throw ValidationError(
            "--method \(name): no method of this name, available: \(Self.names.joined(separator: ", ")), all")
        }
        guard !methods.contains(where: { $0.name == name }) else {
          throw ValidationError("--method \(name): named twice")
        }
        methods.append(method)
      }
      return methods
    }
  }
}

/// How to explain, and what some methods can be told.
struct MethodOptions: ParsableArguments {
  @OptionGroup var choice: MethodChoice

  @Option(help: "The token that a block's score reads in legrad.")
  var readout: Readout = .mean

  @Option(help: "What textspan subtracts from a prompt: none, mean of all prompts, or the number of one, from 0.")
  var textspanBaseline: TextBaseline = .none

  /// As `MethodChoice` has them, told what they can be told.
  /// - Parameter layers: of LeGrad.
  func methods(layers: LayerSelection, for model: Model?) throws -> [Method] {
    try choice.methods(for: model).map { $0.told(layers).told(readout).told(textspanBaseline) }
  }
}

extension Readout: ExpressibleByArgument {}

extension TextBaseline: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public static var allValueStrings: [String] { ["none", "mean", "K"] }
}

func requirePositive(_ value: Int?, _ option: String, atMost limit: Int = .max) throws {
  guard let value, !(1...limit).contains(value) else { return }
  let range = limit == .max ? "at least 1" : "from 1 to \(limit)"
  throw ValidationError("\(option) \(value): expected a number \(range)")
}
