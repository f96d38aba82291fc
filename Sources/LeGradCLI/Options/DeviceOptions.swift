public import ArgumentParser
public import Compute
import LeGrad

extension KernelVariant: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// What to compute on, and how.
struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Where to compute: auto (the first OpenCL GPU, else the CPU), cpu or native, gpu, opencl (the first of any kind), or an \
      index, part of a name or PLATFORM/NAME from 'legrad devices'.
      """,
      valueName: "device"))
  var device = "auto"

  @Option(
    help: """
      How weights and the inputs of products are stored: f32, f16, bf16, bf16-split (two bf16 parts on matrix units, \
      float32 elsewhere), or auto for the device's fastest.
      """)
  var precision: PrecisionChoice = .f32

  @Option(
    help: """
      Threads at work at a time, on explaining and on files; if not given, what affinity, control groups and \
      SLURM_CPUS_PER_TASK leave of the cores.
      """)
  var threads: Int?

  @Option(
    help: """
      Kernels of an OpenCL device; those that are faster on it if not given. Those on matrix units (matrix) need \
      --precision bf16-split, bf16 or f16.
      """)
  var kernelVariant: KernelVariant?

  @Option(
    help: ArgumentHelp(
      "Memory of an OpenCL device to use at most, such as 4GiB or 500M; weights that exceed it stream.",
      valueName: "bytes"))
  var memoryLimit: ByteCount?

  @Flag(
    help: """
      Make one product of two weights of each block when the model is loaded: for LeGrad with several prompts on many \
      images. A third more weight memory; results differ by rounding.
      """)
  var fold = false

  @Flag(
    inversion: .prefixedNo,
    help: """
      Record the kernels of a batch and enqueue them at once, on an OpenCL device with command buffers. Default: where \
      that takes no more time.
      """)
  var commandBuffer: Bool?

  @OptionGroup var trying: TrialOptions

  func validate() throws {
    try requirePositive(threads, "--threads", atMost: 4096)
  }

  /// Checked as far as that goes without a model.
  /// - Parameters:
  ///   - device: in place of the one on the command line.
  ///   - pixels: statistics in place of the folder's.
  func explainerOptions(
    device: DeviceChoice? = nil, pixels: PixelOptions? = nil
  ) throws(LeGradError) -> Explainer.Options {
    var options = try options(device: device)
    options.pixelStatistics = pixels?.statistics
    try options.checkDevice()
    return options
  }

  /// Unchecked.
  func options(device: DeviceChoice? = nil) throws(LeGradError) -> Explainer.Options {
    var options = try Environment.options()
    options.device = device ?? choice
    if let threads { options.threads = threads }
    options.precision = Precision(rawValue: precision.rawValue)
    options.kernelVariant = kernelVariant
    options.memoryLimit = memoryLimit?.bytes
    options.foldsProjections = fold
    options.commandBuffers = commandBuffer
    options.notify = { Terminal.note($0.advice) }
    trying.apply(to: &options)
    return options
  }

  var choice: DeviceChoice { DeviceChoice(device) }

  /// A GPU for each process of a machine, in turn, where a launcher counts them and the choice leaves it open.
  func choice(localRank: Int?) throws -> DeviceChoice {
    guard let localRank, [.auto, .gpu].contains(choice) else { return choice }
    let gpus = try DeviceSummary.all(try options()).filter { $0.kind == .gpu && $0.isAvailable }
    return gpus.count < 2 ? choice : .named("\(gpus[localRank % gpus.count].index)")
  }
}

extension Explainer {
  /// Says which device a choice stands for and why, unless that is plain.
  func noteDevice(_ choice: DeviceChoice) {
    if choice != .cpu { Terminal.note("device: \(device.name) (\(device.reason.advice))") }
  }
}

/// A precision, or the fastest one of the device.
enum PrecisionChoice: String, CaseIterable, ExpressibleByArgument, Sendable {
  case f32, f16, bf16
  case bf16Split = "bf16-split"
  case auto
}
