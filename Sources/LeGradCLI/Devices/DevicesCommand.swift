import ArgumentParser
import Compute
import LeGrad

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "List what can be computed on, and how it would be.",
    discussion: """
      The variant in use is marked with a star: on the CPU an instruction set, on an OpenCL device the kernels that \
      are faster there. 'legrad doctor' tells whether a device computes right.

      Kernels are tried on a device that was never seen in a process of their own, because a driver may end it or never \
      answer; what came of it is kept in the cache folder until the driver or this program changes.
      """)

  @OptionGroup var trying: TrialOptions

  @Flag(help: "Try the kernels anew, whatever is known of them.")
  var tryAgain = false

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
    /// Which variants cannot be used, and why; absent where all can, or none.
    let refused: String?
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
    var isDefault: Bool
  }

  func run() throws {
    var options = try Environment.options()
    trying.apply(to: &options)
    options.deviceTrial?.repeats = tryAgain
    options.notify = { Terminal.note($0.advice) }
    let devices = try DeviceSummary.all(options)
    if let problem = DeviceSummary.loaderProblem { Terminal.note(problem) }
    for line in DeviceSummary.emptyPlatforms { Terminal.note(line) }
    var rows: [Row] = []
    for device in devices {
      let row = Row(device, options)
      rows.append(row)
      // As they come: a driver may take minutes.
      if !json { Terminal.out((rows.count > 1 ? "\n" : "") + row.text) }
    }
    let chosen = rows.firstIndex { $0.kind == DeviceSummary.Kind.gpu.rawValue && $0.variant != nil } ?? 0
    rows[chosen].isDefault = true
    Terminal.out(json ? JSONText.encode(rows) : "\n--device auto takes \(rows[chosen].heading)")
  }
}

extension DevicesCommand.Row {
  fileprivate init(_ device: DeviceSummary, _ options: Explainer.Options) {
    var problem = device.problem
    var variant: String?
    var trials: [KernelTrial] = []
    if problem == nil {
      do {
        if device.backend == .native {
          variant = try device.preferredVariant(options).description
        } else {
          trials = try device.trials(options)
          variant = KernelTrial.best(of: trials)?.rawValue
          if variant == nil { problem = KernelTrial.problem(of: trials) }
        }
      } catch { problem = error.message.advice }
    }
    func known(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
    func known(_ bytes: Int?) -> Int? { bytes.flatMap { $0 > 0 ? $0 : nil } }
    self.init(
      index: device.index, backend: device.backend.rawValue, kind: device.kind.rawValue, name: device.name,
      platform: device.openCL?.platform, driver: known(device.openCL?.driver), version: known(device.openCL?.version),
      variants: device.variants.map(\.description), variant: variant, problem: problem,
      refused: variant == nil ? nil : KernelTrial.problem(of: trials), computeUnits: device.computeUnits,
      memory: known(device.openCL?.memory), largestBuffer: known(device.openCL?.largestBuffer),
      precisions: Precision.allCases.map(\.rawValue), fastestPrecision: device.fastestPrecision.rawValue,
      float64: device.hasFloat64, isDefault: false)
  }

  fileprivate var heading: String {
    let kind = kind == DeviceSummary.Kind.unknown.rawValue ? "" : " \(kind)"
    return "[\(index)] \(backend)\(kind): \(name.printable)"
  }

  /// A line that identifies the device, and what the backend uses below it.
  fileprivate var text: String {
    // A device that did not say what it is has no units.
    let isKnown = computeUnits > 0
    let facts: [(name: String, fact: String?)] = [
      ("platform", platform), ("driver", driver.map { $0 + (version.map { ", \($0)" } ?? "") }),
      (
        backend == BackendKind.native.rawValue ? "threads" : "compute units", isKnown ? "\(computeUnits)" : nil
      ),
      ("memory", memory?.asBytes), ("largest buffer", largestBuffer?.asBytes),
      (
        "variants",
        isKnown ? variants.map { $0 == variant ? $0 + "*" : $0 }.joined(separator: " ") : nil
      ),
      (
        "precisions",
        isKnown
          ? precisions.joined(separator: " ") + (float64 ? ", float64 too" : ", no float64")
            + ", auto is \(fastestPrecision)" : nil
      ),
      ("not used", refused), ("unusable", problem),
    ]
    var table = ColumnTable()
    for case (let name, let fact?) in facts { table.append([name, fact.printable]) }
    return ([Terminal.heading(heading)] + table.lines(indent: 4)).joined(separator: "\n")
  }
}
