public import Compute
import ComputeCPU
import ComputeOpenCL
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

  /// Fails for a device that this machine does not have, before a model is opened.
  public func check() throws(LeGradError) { _ = try resolve(Devices.found()) }

  /// The device among those of the machine, and why it was chosen.
  ///
  /// For the native backend nothing is looked for: a driver may take a second and a hundred megabytes to load.
  func resolve(_ found: @autoclosure () -> Devices) throws(LeGradError) -> (device: ChosenDevice, reason: String) {
    switch self {
    case .cpu: return (.native, "as asked for")
    case .auto:
      let devices = found()
      guard let gpu = devices.firstGPU else {
        let reason = devices.problem ?? "OpenCL has no GPU here"
        return (.native, "automatic choice: \(reason)")
      }
      return (.openCL(gpu), "automatic choice: the first OpenCL GPU")
    case .gpu:
      let devices = found()
      guard let gpu = devices.firstGPU else {
        throw devices.missing("device 'gpu': there is no OpenCL GPU")
      }
      return (.openCL(gpu), "as asked for")
    case .openCL:
      let devices = found()
      guard let first = devices.usable.first else {
        throw devices.missing("device 'opencl': there is no OpenCL device")
      }
      return (.openCL(first), "as asked for")
    case .named(let name): return (try named(name, found()), "as asked for")
    }
  }

  private func named(_ name: String, _ devices: Devices) throws(LeGradError) -> ChosenDevice {
    let chosen: ChosenDevice?
    if let index = Int(name) {
      chosen =
        index == 0 ? .native : devices.openCL.indices.contains(index - 1) ? .openCL(devices.openCL[index - 1]) : nil
    } else {
      func matches(_ text: String) -> Bool { !name.isEmpty && text.lowercased().contains(name.lowercased()) }
      let native = try DeviceSummary.native().name
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

/// The OpenCL devices of this machine, or why there are none.
struct Devices: Sendable {
  let openCL: [OpenCLDevice]
  /// What is missing, for people; nil where there are devices.
  let problem: String?

  init(_ library: () throws(OpenCLError) -> OpenCLLibrary) {
    do throws(OpenCLError) {
      openCL = try library().devices()
      problem = openCL.isEmpty ? "OpenCL has no driver here (Debian: \(Self.drivers))" : nil
    } catch {
      openCL = []
      problem =
        error.call == "dlopen"
        ? "\(error.detail) (Debian: ocl-icd-libopencl1, and \(Self.drivers))" : "OpenCL failed: \(error)"
    }
  }

  private static let drivers = "a driver such as pocl-opencl-icd or the vendor's"

  /// Looked for each time: what a driver answers is not kept here.
  static func found() -> Devices { Devices { () throws(OpenCLError) in try OpenCLLibrary.system() } }

  var usable: [OpenCLDevice] { openCL.filter(\.isAvailable) }
  var firstGPU: OpenCLDevice? { usable.first { $0.kind == .gpu } }

  func missing(_ message: String) -> LeGradError {
    LeGradError(
      .device, "\(message)\(problem.map { ": \($0)" } ?? ""); 'legrad devices' lists them, --device cpu needs none")
  }
}

/// The device in use.
public struct DeviceDescription: Sendable {
  /// For people: the device and what was chosen on it.
  public let name: String
  /// How it computes: the CPU's instruction set, or the kernel variant.
  public let variant: String
  /// Why it was chosen.
  public let reason: String
  /// `native` or `OpenCL`.
  public let backend: String
  /// OpenCL's platform and driver; nil for the native backend.
  public let platform: String?
  public let driver: String?
  /// Whether the model exceeds the device and its weights go there block by block.
  public let isStreaming: Bool

  /// What the bits of a result depend on: the native backend's instruction set, whatever the processor and its threads,
  /// or device, kernels and driver.
  public var arithmetic: String {
    ([backend == "native" ? "native" : name, variant] + [platform, driver].compactMap(\.self)).joined(separator: ", ")
  }

  package init(name: String, variant: String, reason: String) {
    self.name = name
    self.variant = variant
    self.reason = reason
    backend = "native"
    platform = nil
    driver = nil
    isStreaming = false
  }

  init(_ backend: OpenCLBackend, reason: String) {
    name = backend.deviceDescription
    variant = backend.variant.rawValue
    self.reason = reason
    self.backend = "OpenCL"
    platform = backend.device.platform
    driver = backend.device.driver
    isStreaming = backend.streamsWeights
  }
}

/// A device of this machine.
public struct DeviceSummary: Sendable {
  /// 0 for the native CPU backend, then OpenCL's devices in the loader's order.
  public let index: Int
  /// `native` or `OpenCL`.
  public let backend: String
  /// `cpu`, `gpu` or `accelerator`.
  public let kind: String
  public let name: String
  /// OpenCL's platform and driver; empty for the native backend.
  public let platform: String
  public let driver: String
  public let version: String
  /// Ways in which it can compute; for the native backend from the slowest to the one that is used.
  public let variants: [String]
  /// Threads of the native backend, compute units of an OpenCL device.
  public let computeUnits: Int
  /// Bytes; 0 for the native backend, which uses the process's.
  public let memory: Int
  public let largestBuffer: Int
  public let hasFloat64: Bool
  public let isAvailable: Bool

  /// The devices of this machine.
  public static func all() throws(LeGradError) -> [DeviceSummary] {
    var summaries = [try native()]
    for (offset, device) in Devices.found().openCL.enumerated() {
      summaries.append(DeviceSummary(device, index: offset + 1))
    }
    return summaries
  }

  /// The one that a choice stands for.
  public static func chosen(by choice: DeviceChoice) throws(LeGradError) -> DeviceSummary {
    let devices = Devices.found()
    guard case .openCL(let device) = try choice.resolve(devices).device,
      let offset = devices.openCL.firstIndex(where: { $0 === device })
    else { return try native() }
    return DeviceSummary(device, index: offset + 1)
  }

  public var isNative: Bool { index == 0 }

  /// The variant that this device uses unless told otherwise; opens it, and builds and times kernels if need be.
  public func preferredVariant() throws(LeGradError) -> String {
    guard !isNative else { return variants.last ?? "" }
    let devices = Devices.found().openCL
    guard devices.indices.contains(index - 1) else { throw LeGradError(.device, "\(name) is gone") }
    do { return try OpenCLBackend(devices[index - 1]).variant.rawValue } catch { throw LeGradError(error) }
  }

  /// How it can store weights, and which of these `auto` picks.
  public var precisions: [Precision] { Precision.allCases }
  public var fastestPrecision: Precision { isNative ? CPUBackend.fastestPrecision : .f32 }

  /// Why there are no OpenCL devices; nil where there are.
  public static var loaderProblem: String? { Devices.found().problem }

  static func native() throws(LeGradError) -> DeviceSummary {
    do { return DeviceSummary(try CPUBackend()) } catch { throw LeGradError(error) }
  }

  private init(_ backend: CPUBackend) {
    index = 0
    self.backend = "native"
    kind = "cpu"
    name = backend.deviceDescription
    platform = ""
    driver = ""
    version = ""
    variants = CPUBackend.availableInstructionSets.map(\.rawValue)
    computeUnits = backend.threadCount
    memory = 0
    largestBuffer = 0
    hasFloat64 = true
    isAvailable = true
  }

  private init(_ device: OpenCLDevice, index: Int) {
    self.index = index
    backend = "OpenCL"
    kind = device.kind.rawValue
    name = device.name
    platform = device.platform
    driver = device.driver
    version = device.version
    variants = KernelVariant.candidates(for: device).map(\.rawValue)
    computeUnits = device.computeUnits
    memory = device.memory
    largestBuffer = device.largestBuffer
    hasFloat64 = device.hasFloat64
    isAvailable = device.isAvailable
  }
}
