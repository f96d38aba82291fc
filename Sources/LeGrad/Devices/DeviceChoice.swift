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

  /// Reads `auto`, `cpu` or its other name `native`, `gpu`, `opencl`, or a device's index or name.
  public init(_ text: String) {
    switch text {
    case "auto": self = .auto
    case "cpu", "native": self = .cpu
    case "gpu": self = .gpu
    case "opencl": self = .openCL
    default: self = .named(text)
    }
  }

  /// The devices among those of the machine that this stands for, in the order in which they are tried.
  ///
  /// For the native backend nothing is looked for: a driver may take a second and a hundred megabytes to load.
  func resolve(
    _ found: @autoclosure () -> Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> DeviceCandidates {
    guard self != .cpu else { return DeviceCandidates(.native) }
    let devices = found()
    let gpus = devices.usable.filter { $0.kind == .gpu }.map { ChosenDevice.openCL($0) }
    let lostGPUs = devices.unusable { $0 == nil || $0 == .gpu }
    switch self {
    case .cpu, .auto:
      let reason: Message = gpus.isEmpty ? "\(devices.problem ?? "OpenCL has no GPU here")" : "the first OpenCL GPU"
      return DeviceCandidates(gpus + [.native], reason: "automatic choice: \(reason)", skipped: lostGPUs)
    case .gpu:
      guard !gpus.isEmpty else { throw devices.missing("device 'gpu': there is no OpenCL GPU") }
      return DeviceCandidates(gpus, reason: "as asked for", skipped: lostGPUs)
    case .openCL:
      let usable = devices.usable.map { ChosenDevice.openCL($0) }
      guard !usable.isEmpty else { throw devices.missing("device 'opencl': there is no OpenCL device") }
      return DeviceCandidates(usable, reason: "as asked for", skipped: devices.unusable { _ in true })
    case .named(let name): return DeviceCandidates(try named(name, devices, options))
    }
  }

  private func named(
    _ name: String, _ devices: Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> ChosenDevice {
    var index = Int(name)
    if index == nil { index = try self.index(of: name, devices, options) }
    if index == 0 { return .native }
    guard let index, devices.entries.indices.contains(index - 1) else {
      throw devices.missing("device '\(name)': there is no device of that index or name")
    }
    let entry = devices.entries[index - 1]
    if let problem = entry.problem {
      throw LeGradError(.device, "device '\(name)': \(entry.name) of \(entry.platform) cannot be used: \(problem)")
    }
    guard let device = entry.device else { preconditionFailure("an entry without a problem is a device") }
    return .openCL(device)
  }

  /// The index of the one device that has `name`, `PLATFORM/NAME` or a part of either in its name; nil where none has.
  private func index(
    of name: String, _ devices: Devices, _ options: Explainer.Options
  ) throws(LeGradError) -> Int? {
    let native = (platform: BackendKind.native.rawValue, name: try DeviceSummary.native(options).name)
    let all = [native] + devices.entries.map { (platform: $0.platform, name: $0.name) }
    func indices(_ fits: ((platform: String, name: String)) -> Bool) -> [Int] { all.indices.filter { fits(all[$0]) } }
    func contains(_ text: String, _ part: some StringProtocol) -> Bool {
      !part.isEmpty && text.lowercased().contains(part.lowercased())
    }
    let exact = indices { "\($0.platform)/\($0.name)".lowercased() == name.lowercased() }
    var fitting = exact.isEmpty ? indices { contains($0.name, name) } : exact
    if fitting.isEmpty {
      // Either part may have a slash of its own.
      for slash in name.indices where name[slash] == "/" {
        let (platform, rest) = (name[..<slash], name[name.index(after: slash)...])
        fitting = indices { contains($0.platform, platform) && contains($0.name, rest) }
        if !fitting.isEmpty { break }
      }
    }
    guard fitting.count > 1 else { return fitting.first }
    let candidates = fitting.map { "[\($0)] \(all[$0].platform)/\(all[$0].name)" }
    throw LeGradError(
      .device,
      "device '\(name)': fits \(fitting.count) devices: \(candidates.joined(separator: ", ")); give the index or PLATFORM/NAME"
    )
  }
}

/// A device to make a backend for.
enum ChosenDevice: Sendable {
  case native
  case openCL(OpenCLDevice)

  var name: String {
    switch self {
    case .native: "the CPU"
    case .openCL(let device): "\(device.name) of \(device.platform)"
    }
  }
}

/// What a choice stands for: the first of these devices that can be used.
struct DeviceCandidates: Sendable {
  let devices: [ChosenDevice]
  /// Why the first one was chosen.
  let reason: Message
  /// What was passed over before, with the reason.
  let skipped: [Message]

  init(_ devices: [ChosenDevice], reason: Message, skipped: [Message]) {
    self.devices = devices
    self.reason = reason
    self.skipped = skipped
  }

  /// The device that was asked for.
  init(_ device: ChosenDevice) { self.init([device], reason: "as asked for", skipped: []) }

  /// The first device that `use` accepts, with why it was chosen and what was skipped for it.
  ///
  /// One that cannot be used, or lacks memory, gives way to the next; where none is left, the only error is thrown as it
  /// is, and several are one.
  func first<Result>(
    _ use: (ChosenDevice, _ reason: Message) throws(LeGradError) -> Result
  ) throws(LeGradError) -> Result {
    var skipped = skipped
    var errors: [LeGradError] = []
    for device in devices {
      let remark: Message = skipped.isEmpty ? "" : "; skipped \(Message.joined(skipped, separator: ", "))"
      do { return try use(device, "\(reason)\(remark)") } catch {
        guard error.kind == .device || error.kind == .memory else { throw error }
        errors.append(error)
        skipped.append("\(device.name) (\(error.message))")
      }
    }
    guard let error = errors.first, errors.count > 1 else {
      throw errors.first ?? LeGradError(.device, "there is no device; \(Subject.devices) lists them")
    }
    throw LeGradError(
      error.kind,
      "none of \(errors.count) devices can be used: \(Message.joined(errors.map(\.message), separator: "; "))")
  }
}
