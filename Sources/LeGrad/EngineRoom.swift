import Compute
import ComputeCPU
import ComputeOpenCL
import OpenCLRuntime
import Synchronization
import VisionTransformer

/// The engine in use, and what it gives way to when the device cannot go on.
///
/// Short of memory, an OpenCL engine with all weights on the device gives way to one that streams them, and that one,
/// under an automatic choice, to the native CPU backend. Any other failure of an automatically chosen device also ends
/// at the CPU. A device that was asked for by name is never left.
final class EngineRoom: Sendable {
  struct Current: Sendable {
    let engine: any Engine
    let device: DeviceDescription
    let precision: Precision
    let rung: Rung
  }

  /// From the fastest to the one that always works.
  enum Rung: Sendable {
    case fixed
    case resident(OpenCLDevice)
    case streaming(OpenCLDevice)
    case native
  }

  private let source: any WeightSource
  private let options: Explainer.Options
  private let state: Mutex<Current>

  var current: Current { state.withLock { $0 } }

  /// Loads the model onto the one of `devices` that the options choose.
  init(
    _ source: any WeightSource, options: Explainer.Options, devices: @autoclosure () -> Devices = .found()
  ) throws(LeGradError) {
    self.source = source
    self.options = options
    let (chosen, reason) = try options.device.resolve(devices())
    let loader = EngineLoader(source: source, options: options)
    state = Mutex(try loader.load(chosen, reason: reason))
  }

  /// One engine that nothing replaces, on a backend of the caller's.
  init(
    _ source: any WeightSource, options: Explainer.Options, backend: some Backend, device: DeviceDescription
  ) throws(LeGradError) {
    self.source = source
    self.options = options
    do {
      state = Mutex(
        Current(
          engine: try BackendEngine(source, backend: backend), device: device, precision: backend.precision,
          rung: .fixed))
    } catch { throw LeGradError(error) }
  }

  /// Runs `body` with the engine in use, and again with the one that replaces it when it fails for a reason that the
  /// next does not share.
  func run<Result>(
    _ body: (any Engine) throws(LeGradError) -> Result, canShrink: Bool = false
  ) throws(LeGradError) -> Result {
    while true {
      let used = current
      do { return try body(used.engine) } catch {
        guard !(canShrink && error.kind == .memory), let next = nextRung(after: used, error) else { throw error }
        try replace(used, with: next, because: error)
      }
    }
  }

  private func nextRung(after used: Current, _ error: LeGradError) -> Rung? {
    guard error.kind == .memory || error.kind == .device else { return nil }
    switch used.rung {
    // Without its weights, the engine is one whose successor could not be loaded the last time.
    case .resident(let device) where error.kind == .memory || !used.engine.isLoaded: return .streaming(device)
    case .resident, .streaming: return options.device == .auto ? .native : nil
    case .native, .fixed: return nil
    }
  }

  private func replace(_ used: Current, with next: Rung, because error: LeGradError) throws(LeGradError) {
    let loader = EngineLoader(source: source, options: options)
    let isNew = try state.withLock { state throws(LeGradError) in
      // Another caller may have met the same failure and be done.
      guard state.engine === used.engine else { return false }
      state = try loader.load(next, because: error, instead: state)
      return true
    }
    if isNew { options.notify?("device: \(current.device.name) (\(current.device.reason))") }
  }
}

/// Makes engines.
struct EngineLoader {
  let source: any WeightSource
  let options: Explainer.Options

  func load(_ chosen: ChosenDevice, reason: String) throws(LeGradError) -> EngineRoom.Current {
    switch chosen {
    case .native: return try native(reason: reason)
    case .openCL(let device):
      let plan = ResidencyPlan(source.configuration, options: options, device: device)
      var streams = !plan.fits
      while true {
        do {
          return try openCL(device, streams: streams, reason: streams ? "\(reason); \(plan.explanation)" : reason)
        } catch {
          if error.kind == .memory, !streams {
            streams = true
            continue
          }
          guard options.device == .auto, error.kind == .memory || error.kind == .device else { throw error }
          return try native(reason: "automatic choice: \(error.description)")
        }
      }
    }
  }

  func load(
    _ rung: EngineRoom.Rung, because error: LeGradError, instead current: EngineRoom.Current
  ) throws(LeGradError) -> EngineRoom.Current {
    switch rung {
    case .streaming(let device):
      // The resident weights go first: both do not fit.
      current.engine.unload()
      do {
        return try openCL(
          device, streams: true, reason: "\(current.device.reason); weights stream: \(error.description)")
      } catch {
        guard options.device == .auto else { throw error }
        return try native(reason: "automatic choice: \(error.description)")
      }
    case .native, .resident, .fixed: return try native(reason: "automatic choice: \(error.description)")
    }
  }

  private func native(reason: String) throws(LeGradError) -> EngineRoom.Current {
    let precision = options.precision ?? CPUBackend.fastestPrecision
    let backend: CPUBackend
    do { backend = try CPUBackend(precision: precision, threads: options.threads) } catch { throw LeGradError(error) }
    let engine: any Engine
    do { engine = try BackendEngine(source, backend: backend) } catch { throw LeGradError(error) }
    return EngineRoom.Current(
      engine: engine,
      device: DeviceDescription(
        name: backend.deviceDescription, variant: backend.instructionSet.rawValue, reason: reason),
      precision: backend.precision, rung: .native)
  }

  private func openCL(_ device: OpenCLDevice, streams: Bool, reason: String) throws(LeGradError) -> EngineRoom.Current {
    var settings = OpenCLBackend.Options()
    settings.variant = options.kernelVariant
    settings.memoryLimit = options.memoryLimit
    settings.profiles = options.profiles
    settings.streamsWeights = streams
    let backend: OpenCLBackend
    // What a device multiplies fastest is not known before it is measured; float32 is right everywhere.
    do { backend = try OpenCLBackend(device, precision: options.precision ?? .f32, options: settings) } catch {
      throw LeGradError(error)
    }
    let engine: any Engine
    do { engine = try BackendEngine(source, backend: backend) } catch { throw LeGradError(error) }
    return EngineRoom.Current(
      engine: engine,
      device: DeviceDescription(backend, reason: reason),
      precision: backend.precision, rung: streams ? .streaming(device) : .resident(device))
  }
}

/// Whether a vision tower and the memory of one explanation fit a device, before anything is loaded.
struct ResidencyPlan {
  let weightBytes: Int
  let workspaceBytes: Int
  let limit: Int

  init(_ configuration: ModelConfiguration, options: Explainer.Options, device: OpenCLDevice) {
    self.init(
      configuration, precision: options.precision ?? .f32, limit: min(options.memoryLimit ?? Int.max, device.memory))
  }

  init(_ configuration: ModelConfiguration, precision: Precision, limit: Int) {
    let vision = configuration.vision
    let (width, mlpWidth) = (vision.width, vision.mlpWidth)
    let blockWeights = 4 * width * width + 2 * width * mlpWidth
    var edges = 3 * vision.patchSize * vision.patchSize * width + configuration.embeddingWidth * width
    // At most one MLP and the projections of values and output.
    if vision.hasAttentionPooler { edges += blockWeights }
    weightBytes = (vision.layers * blockWeights + edges) * precision.bytes
    // One image of the model's own size and one prompt: ten rows of the width and three of the MLP's per token. Then
    // the largest weight as it comes, and as it is stored.
    let tokens = vision.tokens
    let float = MemoryLayout<Float>.size
    workspaceBytes =
      tokens * (10 * width + 3 * mlpWidth) * float + width * max(mlpWidth, 3 * width) * (float + precision.bytes)
    self.limit = limit
  }

  var fits: Bool { weightBytes + workspaceBytes <= limit }

  var explanation: String {
    "weights stream: \(weightBytes) bytes of them and \(workspaceBytes) to work in exceed \(limit)"
  }
}
