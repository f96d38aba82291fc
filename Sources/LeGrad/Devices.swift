import Compute
import ComputeCPU

/// Which device to compute on.
public enum DeviceChoice: Sendable, Equatable {
  /// The best device there is.
  case auto
  /// The native CPU backend.
  case cpu
  /// A device by kind, index or part of its name; never silently another.
  case named(String)

  /// Reads `auto`, `cpu`, or a device's name.
  public init(_ text: String) {
    switch text {
    case "auto": self = .auto
    case "cpu": self = .cpu
    default: self = .named(text)
    }
  }

  /// Fails for a device that this machine does not have, before a model is opened.
  public func check() throws(LeGradError) {
    guard case .named(let name) = self else { return }
    let devices = try DeviceSummary.all()
    let isKnown =
      if let index = Int(name) {
        devices.contains { $0.index == index }
      } else {
        devices.contains { !name.isEmpty && $0.name.lowercased().contains(name.lowercased()) }
      }
    guard !isKnown else { return }
    throw LeGradError(
      .device, "device '\(name)': this build computes on the CPU only; use --device cpu or --device auto")
  }

  /// Why the device in use was chosen.
  var reason: String {
    switch self {
    case .auto: "automatic choice: this build computes on the CPU only"
    case .cpu, .named: "as asked for"
    }
  }
}

/// The device in use.
public struct DeviceDescription: Sendable {
  /// For people: the device and what was chosen on it.
  public let name: String
  /// How it computes, such as the CPU's instruction set.
  public let variant: String
  /// Why it was chosen.
  public let reason: String
}

/// A device of this machine.
public struct DeviceSummary: Sendable {
  public let index: Int
  /// `cpu`.
  public let kind: String
  public let name: String
  /// Ways in which it can compute, from the slowest to the one that is used.
  public let variants: [String]
  /// Threads that it computes with unless told otherwise.
  public let threads: Int

  /// The devices of this machine.
  public static func all() throws(LeGradError) -> [DeviceSummary] {
    do {
      let backend = try CPUBackend()
      return [
        DeviceSummary(
          index: 0, kind: "cpu", name: backend.deviceDescription,
          variants: CPUBackend.availableInstructionSets.map(\.rawValue), threads: backend.threadCount)
      ]
    } catch { throw LeGradError(error) }
  }
}
