import Compute
import ComputeCPU
import ComputeOpenCL
import OpenCLRuntime
import VisionTransformer

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
