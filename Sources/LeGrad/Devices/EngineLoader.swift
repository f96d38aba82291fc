import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import OpenCLRuntime
import VisionTransformer

/// Makes engines.
struct EngineLoader {
  let source: any WeightSource
  let options: Explainer.Options

  /// Loads onto the first of the devices that takes the model.
  func load(_ candidates: DeviceCandidates) throws(LeGradError) -> EngineRoom.Current {
    try candidates.first { device, reason throws(LeGradError) in try load(device, reason: reason) }
  }

  private func load(_ chosen: ChosenDevice, reason: Message) throws(LeGradError) -> EngineRoom.Current {
    switch chosen {
    case .native: return try native(reason: reason)
    case .openCL(let device):
      let plan = ResidencyPlan(source, options: options, device: device)
      var streams = !plan.fits
      while true {
        do {
          return try openCL(device, streams: streams, reason: streams ? "\(reason); \(plan.explanation)" : reason)
        } catch {
          guard error.kind == .memory else { throw error }
          guard !streams else { throw MemoryCount(source, options, device).explained(error) }
          streams = true
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
        let limit = ResidencyPlan.limit(options, device)
        let cause: Message =
          error.kind == .memory ? "all of them and what the run works in exceed \(limit) bytes" : "\(error)"
        return try openCL(device, streams: true, reason: "\(current.device.reason); weights stream: \(cause)")
      } catch {
        guard options.device == .auto else {
          throw error.kind == .memory ? MemoryCount(source, options, device).explained(error) : error
        }
        return try native(reason: "automatic choice: \(error)")
      }
    case .native, .resident, .fixed: return try native(reason: "automatic choice: \(error)")
    }
  }

  private func native(reason: Message) throws(LeGradError) -> EngineRoom.Current {
    let backend: CPUBackend
    do {
      backend = try options.cpuBackend(precision: options.precision ?? CPUBackend.fastestPrecision)
    } catch { throw LeGradError(error) }
    let device = DeviceDescription(
      name: backend.deviceDescription, variant: .instructions(backend.instructionSet), reason: reason)
    return try load(on: backend, device, .native)
  }

  private func openCL(_ device: OpenCLDevice, streams: Bool, reason: Message) throws(LeGradError) -> EngineRoom.Current
  {
    let backend: OpenCLBackend
    do { backend = try options.openCLBackend(device, streamsWeights: streams) } catch { throw LeGradError(error) }
    return try load(
      on: backend, DeviceDescription(backend, reason: reason), streams ? .streaming(device) : .resident(device))
  }

  /// The engine of a backend.
  func load(
    on backend: some Backend, _ device: DeviceDescription, _ rung: EngineRoom.Rung
  ) throws(LeGradError) -> EngineRoom.Current {
    let vision = try options.visionWeights(of: source)
    var device = device
    device.isFolded = vision != nil
    do {
      return EngineRoom.Current(
        engine: try engine(on: backend, vision: vision), device: device, precision: backend.precision, rung: rung)
    } catch { throw LeGradError(error) }
  }

  private func engine(
    on backend: some Backend, vision: (any WeightSource)?
  ) throws(ModelError) -> any Engine {
    guard options.tracesOperations else { return try BackendEngine(source, vision: vision, backend: backend) }
    let tracing = TracingBackend(backend)
    return try BackendEngine(source, vision: vision, backend: tracing, prepare: tracing.label)
  }
}
