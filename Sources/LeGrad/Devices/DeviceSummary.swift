public import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import OpenCLRuntime

/// A device of this machine.
public struct DeviceSummary: Sendable {
  public enum Kind: String, Sendable {
    case cpu, gpu, accelerator
    /// Of a device that does not say it.
    case unknown
  }

  /// What a driver says of its device.
  public struct Driver: Sendable {
    public let platform: String
    /// The driver's own version; empty where it does not say it.
    public let driver: String
    /// The version of OpenCL that the device has; empty where it does not say it.
    public let version: String
    /// Bytes of the device, and of its largest buffer; 0 where it does not say them.
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
  /// Why it cannot be used, as far as that is known without trying; nil where nothing is known against it.
  public let problem: String?

  public var isAvailable: Bool { problem == nil }

  /// The devices of this machine.
  public static func all(_ options: Explainer.Options = .init()) throws(LeGradError) -> [DeviceSummary] {
    var summaries = [try native(options)]
    for (offset, entry) in Devices.found(options).entries.enumerated() {
      summaries.append(DeviceSummary(entry, index: offset + 1))
    }
    return summaries
  }

  /// The one that the options' choice stands for: of several the first that can be used. Tries them, if need be.
  public static func chosen(by options: Explainer.Options) throws(LeGradError) -> DeviceSummary {
    let devices = Devices.found(options)
    return try options.device.resolve(devices, options).first { chosen, _ throws(LeGradError) in
      let summary = try summary(of: chosen, devices, options)
      _ = try summary.preferredVariant(options)
      return summary
    }
  }

  /// The first one that the options' choice stands for, whether it can be used or not.
  public static func asked(by options: Explainer.Options) throws(LeGradError) -> DeviceSummary {
    let devices = Devices.found(options)
    return try summary(of: options.device.resolve(devices, options).devices[0], devices, options)
  }

  private static func summary(
    of chosen: ChosenDevice, _ devices: Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> DeviceSummary {
    guard case .openCL(let device) = chosen,
      let offset = devices.entries.firstIndex(where: { $0.device === device })
    else { return try native(options) }
    return DeviceSummary(devices.entries[offset], index: offset + 1)
  }

  public var backend: BackendKind { openCL == nil ? .native : .openCL }

  /// The variant that this device uses with `options`; builds and times kernels if need be.
  public func preferredVariant(_ options: Explainer.Options = .init()) throws(LeGradError) -> DeviceVariant {
    do {
      guard openCL != nil else { return .instructions(try options.cpuBackend(precision: .f32).instructionSet) }
      return .kernels(try OpenCLBackend.preferredVariant(on: try openCLDevice(), options: options.openCLOptions()))
    } catch { throw LeGradError(error) }
  }

  /// What came of trying each variant on this device; empty for the native backend.
  public func trials(_ options: Explainer.Options = .init()) throws(LeGradError) -> [KernelTrial] {
    guard openCL != nil else { return [] }
    do {
      return try OpenCLBackend.trials(on: try openCLDevice(), options: options.openCLOptions())
    } catch { throw LeGradError(error) }
  }

  /// The precision that `auto` picks.
  public var fastestPrecision: Precision { openCL == nil ? CPUBackend.fastestPrecision : .f32 }

  /// Why OpenCL has nothing to list; nil where it has.
  public static var loaderProblem: String? { Devices.found().problem }

  /// OpenCL's platforms that have no device, and drivers that cannot be loaded, a line each; empty where that is the
  /// loader's problem.
  public static var emptyPlatforms: [String] {
    let devices = Devices.found()
    return devices.problem == nil ? devices.emptyPlatforms + DriverSearch.unloadable : []
  }

  /// The device that OpenCL has now in this one's place.
  func openCLDevice() throws(BackendError) -> OpenCLDevice {
    let entries = Devices.found().entries
    guard entries.indices.contains(index - 1) else {
      throw BackendError(.unavailable, operation: .open, "\(name) is gone")
    }
    guard let device = entries[index - 1].device, entries[index - 1].problem == nil else {
      throw BackendError(.unavailable, operation: .open, "\(name): \(entries[index - 1].problem ?? "is gone")")
    }
    return device
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
    problem = nil
  }

  private init(_ entry: Devices.Entry, index: Int) {
    self.index = index
    kind =
      switch entry.kind {
      case .cpu?: .cpu
      case .gpu?: .gpu
      case .accelerator?: .accelerator
      case nil: .unknown
      }
    name = entry.name
    let device = entry.device
    openCL = Driver(
      platform: entry.platform, driver: device?.driver ?? "", version: device?.version ?? "",
      memory: device?.memory ?? 0, largestBuffer: device?.largestBuffer ?? 0)
    variants = device.map(KernelVariant.candidates)?.map { .kernels($0) } ?? []
    computeUnits = device?.computeUnits ?? 0
    hasFloat64 = device?.hasFloat64 ?? false
    problem = entry.problem
  }
}
