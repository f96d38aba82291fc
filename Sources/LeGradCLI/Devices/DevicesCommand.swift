import ArgumentParser
import Compute
import LeGrad

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "List what can be computed on, and how it would be.",
    discussion: """
      The variant in use is marked with a star: on the CPU an instruction set, on an OpenCL device the kernels that \
      are faster there. 'legrad doctor' tells whether a device computes right.
      """)

  @Flag(help: "Print a JSON array with an element per device.")
  var json = false

  struct Row: Codable {
    let index: Int
    /// `native` or `OpenCL`.
    let backend: String
    let kind: String
    let name: String
    /// OpenCL's; absent for the native backend.
    let platform: String?
    let driver: String?
    let version: String?
    let variants: [String]
    /// The one that is used unless told otherwise; absent where the device cannot be used.
    let variant: String?
    /// Why the device cannot be used.
    let problem: String?
    /// Threads of the native backend, compute units of an OpenCL device.
    let computeUnits: Int
    /// Bytes; absent for the native backend, which uses the machine's.
    let memory: Int?
    let largestBuffer: Int?
    let precisions: [String]
    /// What `--precision auto` takes.
    let fastestPrecision: String
    /// Whether it computes in float64.
    let float64: Bool
    /// Whether `--device auto` takes it.
    let isDefault: Bool
  }

  func run() throws {
    let options = try Environment.options()
    let chosen = try DeviceSummary.chosen(by: options).index
    let rows = try DeviceSummary.all(options).map { Row($0, isDefault: $0.index == chosen, options) }
    if let problem = DeviceSummary.loaderProblem { Terminal.note(problem) }
    if json {
      Terminal.out(JSONText.encode(rows))
      return
    }
    Terminal.out(rows.map(\.text).joined(separator: "\n\n"))
  }
}

extension DevicesCommand.Row {
  init(_ device: DeviceSummary, isDefault: Bool, _ options: Explainer.Options) {
    var problem: String?
    var variant: String?
    if device.isAvailable {
      do { variant = try device.preferredVariant(options).description } catch { problem = error.message.advice }
    } else {
      problem = "the driver says that it is not available or has no compiler"
    }
    self.init(
      index: device.index, backend: device.backend.rawValue, kind: device.kind.rawValue, name: device.name,
      platform: device.openCL?.platform, driver: device.openCL?.driver, version: device.openCL?.version,
      variants: device.variants.map(\.description), variant: variant, problem: problem,
      computeUnits: device.computeUnits,
      memory: device.openCL?.memory, largestBuffer: device.openCL?.largestBuffer,
      precisions: Precision.allCases.map(\.rawValue), fastestPrecision: device.fastestPrecision.rawValue,
      float64: device.hasFloat64, isDefault: isDefault)
  }

  /// A line that identifies the device, and what the backend uses below it.
  fileprivate var text: String {
    let heading = "[\(index)] \(backend) \(kind): \(name.printable)" + (isDefault ? "  (--device auto)" : "")
    let facts: [(name: String, fact: String?)] = [
      ("platform", platform), ("driver", driver.map { $0 + (version.map { ", \($0)" } ?? "") }),
      (backend == BackendKind.native.rawValue ? "threads" : "compute units", "\(computeUnits)"),
      ("memory", memory?.asBytes), ("largest buffer", largestBuffer?.asBytes),
      ("variants", variants.map { $0 == variant ? $0 + "*" : $0 }.joined(separator: " ")),
      (
        "precisions",
        precisions.joined(separator: " ") + (float64 ? ", float64 too" : ", no float64")
          + ", auto is \(fastestPrecision)"
      ), ("unusable", problem),
    ]
    var table = TextTable()
    for case (let name, let fact?) in facts { table.append([name, fact.printable]) }
    return ([Terminal.heading(heading)] + table.lines(indent: 4)).joined(separator: "\n")
  }
}
