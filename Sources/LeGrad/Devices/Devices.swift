import ComputeOpenCL
import Failures
import OpenCLRuntime

/// What OpenCL has on this machine.
struct Devices: Sendable {
  /// A device, or what stands in the place of one.
  enum Entry: Sendable {
    case device(OpenCLDevice)
    case fault(OpenCLFault)

    var device: OpenCLDevice? { if case .device(let device) = self { device } else { nil } }

    /// What it says of itself.
    var name: String {
      switch self {
      case .device(let device): device.name
      case .fault(let fault): fault.device ?? fault.platform
      }
    }

    var platform: String {
      switch self {
      case .device(let device): device.platform
      case .fault(let fault): fault.platform
      }
    }

    /// Nil where that is not known.
    var kind: OpenCLDevice.Kind? {
      switch self {
      case .device(let device): device.kind
      case .fault(let fault): fault.kind
      }
    }

    /// Why it cannot be used; nil where nothing is known against it.
    var problem: String? {
      switch self {
      case .device(let device):
        device.isAvailable ? nil : "the driver says that it is not available or has no compiler"
      case .fault(let fault): fault.error.description
      }
    }
  }

  /// In the loader's order.
  let entries: [Entry]
  /// Platforms without a device, a line for people each.
  let emptyPlatforms: [String]
  /// What is missing, for people; nil where there are entries.
  let problem: String?

  /// - Parameter search: what was left out of what the library is asked for.
  init(
    _ library: () throws(OpenCLError) -> OpenCLLibrary, after search: DriverSearch.Outcome = .unhindered
  ) {
    let barred = search.barred.map { Entry.fault($0.fault) }
    guard !search.isEmpty else {
      entries = barred
      emptyPlatforms = []
      problem = nil
      return
    }
    var entries: [Entry] = []
    var empty: [String] = []
    var problem: String?
    do throws(OpenCLError) {
      for finding in try library().findings() {
        switch finding {
        case .device(let device): entries.append(.device(device))
        case .fault(let fault): entries.append(.fault(fault))
        case .noDevice(let platform): empty.append(Self.line(ofEmpty: platform))
        }
      }
      entries += barred
      if entries.isEmpty {
        problem =
          empty.isEmpty
          ? "OpenCL has no driver here: \(DriverSearch.absence) (Debian: \(Self.drivers))"
          : "OpenCL has no device here: \(empty.joined(separator: "; "))"
      }
    } catch  where error.call == "dlopen" {
      problem = "\(error.detail) (Debian: ocl-icd-libopencl1, and \(Self.drivers))"
    } catch {
      entries = [.fault(OpenCLFault(platform: "OpenCL", device: nil, kind: nil, error: error))] + barred
    }
    self.entries = entries
    emptyPlatforms = empty
    self.problem = problem
  }

  private static let drivers = "a driver such as pocl-opencl-icd or the vendor's"

  private static func line(ofEmpty platform: String) -> String {
    let cause =
      platform == "Portable Computing Language"
      ? " (PoCL has none where it cannot write its cache: set POCL_CACHE_DIR to a folder that can be written)" : ""
    return "the driver of '\(platform)' is there and finds no device\(cause)"
  }

  /// Looked for each time: what a driver answers is not kept here.
  /// - Parameter options: how drivers are tried that were never seen; in this process, unless it has done so, if nil.
  static func found(_ options: Explainer.Options? = nil) -> Devices {
    let outcome = DriverSearch.outcome(
      options?.deviceTrial, cacheFolder: options?.cacheFolder, notify: options?.notify)
    return Devices({ () throws(OpenCLError) in try OpenCLLibrary.system() }, after: outcome)
  }

  /// Devices that nothing is known against.
  var usable: [OpenCLDevice] { entries.filter { $0.problem == nil }.compactMap(\.device) }

  /// What cannot be used and may be of that kind, a line each.
  func unusable(_ mayBe: (OpenCLDevice.Kind?) -> Bool) -> [Message] {
    entries.filter { mayBe($0.kind) }.compactMap { entry in
      entry.problem.map { problem in
        let place = entry.name == entry.platform ? "" : " of \(entry.platform)"
        return "\(entry.name)\(place) (\(problem))"
      }
    }
  }

  func missing(_ message: String) -> LeGradError {
    let faults = unusable { _ in true }
    let known: Message =
      faults.isEmpty ? "" : "; unusable: \(Message.joined(faults, separator: ", "))"
    return LeGradError(
      .device,
      "\(message)\(problem.map { ": \($0)" } ?? "")\(known); \(Subject.devices) lists them, \(Subject.device) cpu needs none"
    )
  }
}
