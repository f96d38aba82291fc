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

  func load(_ chosen: ChosenDevice, reason: Message) throws(LeGradError) -> EngineRoom.Current {
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
          return try native(reason: "automatic choice: \(error)")
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
        return try openCL(device, streams: true, reason: "\(current.device.reason); weights stream: \(error)")
      } catch {
        guard options.device == .auto else { throw error }
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
    return try loaded(on: backend, device, .native)
  }

  private func openCL(_ device: OpenCLDevice, streams: Bool, reason: Message) throws(LeGradError) -> EngineRoom.Current
  {
    let backend: OpenCLBackend
    do { backend = try options.openCLBackend(device, streamsWeights: streams) } catch { throw LeGradError(error) }
    return try loaded(
      on: backend, DeviceDescription(backend, reason: reason), streams ? .streaming(device) : .resident(device))
  }

  private func loaded(
    on backend: some Backend, _ device: DeviceDescription, _ rung: EngineRoom.Rung
  ) throws(LeGradError) -> EngineRoom.Current {
    do {
      return EngineRoom.Current(
        engine: try engine(on: backend), device: device, precision: backend.precision, rung: rung)
    } catch { throw LeGradError(error) }
  }

  private func engine(on backend: some Backend) throws(ModelError) -> any Engine {
    guard options.tracesOperations else { return try BackendEngine(source, backend: backend) }
    let tracing = TracingBackend(backend)
    return try BackendEngine(source, backend: tracing, prepare: tracing.label)
  }
}
