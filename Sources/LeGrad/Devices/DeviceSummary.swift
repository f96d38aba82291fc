public import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import OpenCLRuntime

/// A device of this machine.
public struct DeviceSummary: Sendable {
  public enum Kind: String, Sendable {
    case cpu, gpu, accelerator
  }

  /// What a driver says of its device.
  public struct Driver: Sendable {
    public let platform: String
    /// The driver's own version.
    public let driver: String
    /// The version of OpenCL that the device has.
    public let version: String
    /// Bytes of the device, and of its largest buffer.
    public let memory: Int
    public let largestBuffer: Int
  }

  /// 0 for the native CPU backend, then OpenCL's devices in the loader's order.
  public let index: Int
  public let kind: Kind
  public let name: String
  /// Nil for the native backend, which uses the process's memory.
  public let openCL: Driver?
  /// Ways in which it can compute; for the native backend from the slowest to the one that is used.
  public let variants: [DeviceVariant]
  /// Threads of the native backend, compute units of an OpenCL device.
  public let computeUnits: Int
  public let hasFloat64: Bool
  public let isAvailable: Bool

  /// The devices of this machine.
  public static func all(_ options: Explainer.Options = .init()) throws(LeGradError) -> [DeviceSummary] {
    var summaries = [try native(options)]
    for (offset, device) in Devices.found().openCL.enumerated() {
      summaries.append(DeviceSummary(device, index: offset + 1))
    }
    return summaries
  }

  /// The one that the options' choice stands for.
  public static func chosen(by options: Explainer.Options) throws(LeGradError) -> DeviceSummary {
    let devices = Devices.found()
    guard case .openCL(let device) = try options.device.resolve(devices, options).device,
      let offset = devices.openCL.firstIndex(where: { $0 === device })
    else { return try native(options) }
    return DeviceSummary(device, index: offset + 1)
  }

  public var backend: BackendKind { openCL == nil ? .native : .openCL }

  /// The variant that this device uses with `options`; opens it, and builds and times kernels if need be.
  public func preferredVariant(_ options: Explainer.Options = .init()) throws(LeGradError) -> DeviceVariant {
    do {
      guard openCL != nil else { return .instructions(try options.cpuBackend(precision: .f32).instructionSet) }
      return .kernels(try options.openCLBackend(try openCLDevice()).variant)
    } catch { throw LeGradError(error) }
  }

  /// The precision that `auto` picks.
  public var fastestPrecision: Precision { openCL == nil ? CPUBackend.fastestPrecision : .f32 }

  /// Why there are no OpenCL devices; nil where there are.
  public static var loaderProblem: String? { Devices.found().problem }

  /// The device that OpenCL has now in this one's place.
  func openCLDevice() throws(BackendError) -> OpenCLDevice {
    let devices = Devices.found().openCL
    guard devices.indices.contains(index - 1) else {
      throw BackendError(.unavailable, operation: .open, "\(name) is gone")
    }
    return devices[index - 1]
  }

  static func native(_ options: Explainer.Options) throws(LeGradError) -> DeviceSummary {
    do { return DeviceSummary(try options.cpuBackend(precision: .f32)) } catch { throw LeGradError(error) }
  }

  private init(_ backend: CPUBackend) {
    index = 0
    kind = .cpu
    name = backend.deviceDescription
    openCL = nil
    variants = CPUBackend.availableInstructionSets.map { .instructions($0) }
    computeUnits = backend.threadCount
    hasFloat64 = true
    isAvailable = true
  }

  private init(_ device: OpenCLDevice, index: Int) {
    self.index = index
    kind =
      switch device.kind {
      case .cpu: .cpu
      case .gpu: .gpu
      case .accelerator: .accelerator
      }
    name = device.name
    openCL = Driver(
      platform: device.platform, driver: device.driver, version: device.version, memory: device.memory,
      largestBuffer: device.largestBuffer)
    variants = KernelVariant.candidates(for: device).map { .kernels($0) }
    computeUnits = device.computeUnits
    hasFloat64 = device.hasFloat64
    isAvailable = device.isAvailable
  }
}
