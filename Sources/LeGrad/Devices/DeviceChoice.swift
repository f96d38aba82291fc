import Failures
import OpenCLRuntime

/// Which device to compute on.
public enum DeviceChoice: Sendable, Equatable {
  /// The first OpenCL GPU, else the native CPU backend.
  case auto
  /// The native CPU backend.
  case cpu
  /// The first OpenCL GPU.
  case gpu
  /// The first OpenCL device of any kind.
  case openCL
  /// A device by its index or by part of its name; never silently another.
  case named(String)

  /// Reads `auto`, `cpu`, `gpu`, `opencl`, or a device's index or name.
  public init(_ text: String) {
    switch text {
    case "auto": self = .auto
    case "cpu": self = .cpu
    case "gpu": self = .gpu
    case "opencl": self = .openCL
    default: self = .named(text)
    }
  }

  /// The device among those of the machine, and why it was chosen.
  ///
  /// For the native backend nothing is looked for: a driver may take a second and a hundred megabytes to load.
  func resolve(
    _ found: @autoclosure () -> Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> (device: ChosenDevice, reason: Message) {
    guard self != .cpu else { return (.native, "as asked for") }
    let devices = found()
    switch self {
    case .cpu, .auto:
      guard let gpu = devices.firstGPU else {
        return (.native, "automatic choice: \(devices.problem ?? "OpenCL has no GPU here")")
      }
      return (.openCL(gpu), "automatic choice: the first OpenCL GPU")
    case .gpu:
      guard let gpu = devices.firstGPU else { throw devices.missing("device 'gpu': there is no OpenCL GPU") }
      return (.openCL(gpu), "as asked for")
    case .openCL:
      guard let first = devices.usable.first else {
        throw devices.missing("device 'opencl': there is no OpenCL device")
      }
      return (.openCL(first), "as asked for")
    case .named(let name): return (try named(name, devices, options), "as asked for")
    }
  }

  private func named(
    _ name: String, _ devices: Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> ChosenDevice {
    let chosen: ChosenDevice?
    if let index = Int(name) {
      chosen =
        index == 0 ? .native : devices.openCL.indices.contains(index - 1) ? .openCL(devices.openCL[index - 1]) : nil
    } else {
      func matches(_ text: String) -> Bool { !name.isEmpty && text.lowercased().contains(name.lowercased()) }
      let native = try DeviceSummary.native(options).name
      chosen = matches(native) ? .native : devices.openCL.first { matches($0.name) }.map { .openCL($0) }
    }
    guard let chosen else { throw devices.missing("device '\(name)': there is no device of that index or name") }
    if case .openCL(let device) = chosen, !device.isAvailable {
      throw LeGradError(
        .device, "device '\(name)': the driver says that \(device.name) is not available or has no compiler")
    }
    return chosen
  }
}

/// A device to make a backend for.
enum ChosenDevice: Sendable {
  case native
  case openCL(OpenCLDevice)
}
