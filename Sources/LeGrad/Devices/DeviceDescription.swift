public import Compute
import ComputeOpenCL
public import Failures
import OpenCLRuntime

/// What computes.
public enum BackendKind: String, Sendable {
  /// The CPU, by this library's own loops.
  case native
  case openCL = "OpenCL"
}

/// How a device computes.
public enum DeviceVariant: Hashable, Sendable, CustomStringConvertible {
  /// The CPU's vector instructions.
  case instructions(InstructionSet)
  /// The kernels of an OpenCL device.
  case kernels(KernelVariant)

  /// The kernels of an OpenCL device.
  public var kernels: KernelVariant? { if case .kernels(let variant) = self { variant } else { nil } }

  public var description: String {
    switch self {
    case .instructions(let set): set.rawValue
    case .kernels(let variant): variant.rawValue
    }
  }
}

/// The device in use.
public struct DeviceDescription: Sendable {
  /// For people: the device and what was chosen on it.
  public let name: String
  /// Nil for a backend of the caller's.
  public let variant: DeviceVariant?
  /// Why it was chosen.
  public let reason: Message
  public let backend: BackendKind
  /// OpenCL's platform and driver; nil for the native backend.
  public let platform: String?
  public let driver: String?
  /// Whether the model exceeds the device and its weights go there block by block.
  public let isStreaming: Bool
  /// Whether the vision tower was folded when it was loaded; see `Explainer.Options.foldsProjections`.
  public internal(set) var isFolded = false

  /// What the bits of a result depend on: the native backend's instruction set, whatever the processor and its threads,
  /// or device, kernels and driver; and whether the tower is folded.
  public var arithmetic: String {
    [backend == .native ? backend.rawValue : name, variant?.description, platform, driver, isFolded ? "folded" : nil]
      .compactMap(\.self)
      .joined(separator: ", ")
  }

  package init(name: String, variant: DeviceVariant?, reason: Message) {
    self.name = name
    self.variant = variant
    self.reason = reason
    backend = .native
    platform = nil
    driver = nil
    isStreaming = false
  }

  init(_ backend: OpenCLBackend, reason: Message) {
    name = backend.deviceDescription
    variant = .kernels(backend.variant)
    self.reason = reason
    self.backend = .openCL
    platform = backend.device.platform
    driver = backend.device.driver
    isStreaming = backend.streamsWeights
  }
}
