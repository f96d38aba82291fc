import ArgumentParser
import Compute
import ComputeOpenCL
import Failures
import FoundationEssentials
import LeGrad
import OperationSamples
import Processes

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check that devices compute right, and how fast.",
    discussion: """
      Every operation in the sizes of the model inside this program, then one explanation, on each device and with \
      each of its kernels, against the native CPU backend; that backend itself against its portable inner loops. \
      Without --device all devices are checked. Errors are normalised mean squares; the explanation's is the largest \
      difference over the largest value.

      OpenCL devices are checked in a process of their own each, because a driver may end it or never answer.

      Exit codes: 0 all good, also where there is no OpenCL device and none was asked for; 4 a device cannot be used; \
      6 a device computes wrong numbers.
      """)

  @OptionGroup var computing: DeviceOptions

  @Flag(help: "Print a JSON array with an element per device and variant.")
  var json = false

  @Flag(help: .hidden)
  var inThisProcess = false

  func run() throws {
    var stream = JSONArrayStream()
    defer { if json { stream.finish() } }
    var status = ExitStatus.success
    let options = try computing.options()
    if inThisProcess { DriverSearch.trust() }
    for (device, variant) in try checked(options) {
      let report =
        if inThisProcess || device.backend == .native || !device.isAvailable {
          DoctorReport(try DeviceCheck(device, variant: variant, options: options))
        } else {
          report(ofProcessFor: device, variant)
        }
      if json { stream.append(report) } else { Terminal.out(report.text + "\n") }
      if !inThisProcess, let diagnosis = report.diagnosis { Terminal.error(diagnosis) }
      // Wrong numbers are the worst.
      if report.isWrong { status = .numericalFault }
      if report.isUnusable, status == .success { status = .deviceUnusable }
    }
    guard status == .success else { throw status }
  }

  /// The report of this command run for one device in a process of its own.
  private func report(ofProcessFor device: DeviceSummary, _ variant: KernelVariant?) -> DoctorReport {
    var arguments = [
      "doctor", "--in-this-process", "--json", "--device", "\(device.index)", "--precision",
      computing.precision.rawValue,
      "--trial-seconds", "\(computing.trying.trialSeconds)",
    ]
    if let variant { arguments += ["--kernel-variant", variant.rawValue] }
    if let threads = computing.threads { arguments += ["--threads", "\(threads)"] }
    if let limit = computing.memoryLimit { arguments += ["--memory-limit", "\(limit.bytes)"] }
    let limit = Self.trialsOfACheck * computing.trying.trialSeconds
    guard let child = ChildProcess.run(Environment.ownExecutable, arguments, limit: .seconds(limit)) else {
      return DoctorReport(device, variant, problem: "no process could be started for it")
    }
    if let report = DoctorReport.read(child.output), report.device.name == device.name { return report }
    let words = child.lastWords.isEmpty ? "" : ": \(child.lastWords)"
    let ending =
      switch child.ending {
      case .exited(let status): "the driver ended the process with exit code \(status)"
      case .died(let signal): "the driver ended the process with signal \(signal)"
      case .timedOut: "there was no answer in \(limit) s, see --trial-seconds"
      }
    return DoctorReport(device, variant, problem: ending + words)
  }

  /// What a check may take, in the time of a trial: it builds every kernel.
  private static let trialsOfACheck = 6

  /// Each device with each of its kernels.
  private func checked(_ options: Explainer.Options) throws(LeGradError) -> [(DeviceSummary, KernelVariant?)] {
    let devices: [DeviceSummary]
    if ["all", "auto"].contains(computing.device) {
      devices = try DeviceSummary.all(options)
      if let problem = DeviceSummary.loaderProblem { Terminal.note("only the CPU is checked: \(problem)") }
      for line in DeviceSummary.emptyPlatforms { Terminal.note(line) }
    } else {
      devices = [try DeviceSummary.asked(by: options)]
    }
    return devices.flatMap { device -> [(DeviceSummary, KernelVariant?)] in
      guard device.backend == .openCL, device.isAvailable else { return [(device, nil)] }
      let kernels = computing.kernelVariant.map { [$0] } ?? device.variants.compactMap(\.kernels)
      return kernels.map { (device, $0) }
    }
  }
}

/// What doctor says of one device and variant.
struct DoctorReport: Codable, Sendable {
  struct Operation: Codable, Sendable {
    let operation: String
    let detail: String
    /// Absent where the device gave no result.
    let error: Double?
    let bound: Double
    let referenceSeconds: Double
    let seconds: Double?
    /// What is wrong; absent where nothing is.
    let problem: String?
  }

  struct Device: Codable, Sendable {
    let index: Int
    let backend: String
    let kind: String
    let name: String
    /// OpenCL's; absent for the native backend.
    let platform, driver: String?

    fileprivate init(_ device: DeviceSummary) {
      index = device.index
      backend = device.backend.rawValue
      kind = device.kind.rawValue
      name = device.name
      platform = device.openCL?.platform
      driver = device.openCL?.driver
    }
  }

  let device: Device
  /// Absent where none could be opened.
  let variant: String?
  let reference: String
  /// `good`, `wrong` or `unusable`.
  let verdict: String
  /// Why nothing could be checked.
  let problem: String?
  let operations: [Operation]
  let explanation: Operation?

  /// Of a device that could not be checked.
  init(_ device: DeviceSummary, _ variant: KernelVariant?, problem: String) {
    self.device = Device(device)
    self.variant = variant?.rawValue
    reference = ""
    verdict = "unusable"
    self.problem = problem
    operations = []
    explanation = nil
  }

  /// The only report in what another process of this command wrote; nil where that is none.
  static func read(_ json: [UInt8]) -> DoctorReport? {
    // A driver may print before.
    guard let start = json.firstIndex(of: UInt8(ascii: "[")) else { return nil }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    let reports = try? decoder.decode([DoctorReport].self, from: Data(json[start...]))
    return reports?.count == 1 ? reports?.first : nil
  }

  init(_ check: DeviceCheck) {
    device = Device(check.device)
    variant = check.variant?.description
    reference = check.reference
    verdict = check.isWrong ? "wrong" : check.isUnusable ? "unusable" : "good"
    problem = check.failure?.advice
    operations = check.operations.map {
      Operation(
        operation: $0.operation.rawValue, detail: $0.detail, error: $0.error, bound: $0.bound,
        referenceSeconds: $0.referenceSeconds, seconds: $0.seconds, problem: $0.verdict.problem?.advice)
    }
    explanation = check.explanation.map {
      Operation(
        operation: "explanation", detail: "\($0.picture) prompts \($0.prompts)", error: $0.disagreement?.error,
        bound: $0.bound, referenceSeconds: $0.referenceSeconds, seconds: $0.seconds,
        problem: $0.verdict.problem?.advice)
    }
  }

  var isWrong: Bool { verdict == "wrong" }
  /// Whether something could not be run.
  var isUnusable: Bool { verdict == "unusable" || checks.contains { $0.error == nil } }

  private var checks: [Operation] { operations + [explanation].compactMap { $0 } }
  private var faults: [Operation] { checks.filter { $0.problem != nil } }

  private var isNative: Bool { device.backend == BackendKind.native.rawValue }

  private var name: String {
    let kernels = isNative ? nil : variant.map { ", \($0) kernels" }
    let kind = device.kind == DeviceSummary.Kind.unknown.rawValue ? "" : " \(device.kind)"
    return "[\(device.index)] \(device.backend)\(kind): \(device.name)\(kernels ?? "")"
  }

  /// What is wrong and what to do, in one line; nil where all is good.
  var diagnosis: String? {
    if let problem { return "\(name): cannot be used: \(problem)" }
    guard let first = faults.first, let problem = first.problem else { return nil }
    let count = "\(faults.count) of \(checks.count) checks failed, first \(first.operation) \(first.detail): \(problem)"
    guard isWrong else { return "\(name): cannot be used: \(count); use --device cpu or a newer driver" }
    let advice =
      isNative
      ? "set LEGRAD_CPU_ISA=portable and report this"
      : "use --device cpu, another --kernel-variant or a newer driver"
    return "\(name): computes wrong numbers: \(count); \(advice)"
  }

  /// A table for people.
  var text: String {
    let heading = Terminal.heading(name.printable)
    guard problem == nil else { return "\(heading)\n  cannot be used" }
    var table = TextTable(["operation", "sizes", "error", "bound", "reference ms", "ms"])
    for check in checks {
      let mark = check.error == nil ? "FAILED" : "WRONG"
      table.append(
        [
          check.operation, check.detail, check.error?.scientific(digits: 2) ?? "-", check.bound.scientific(digits: 1),
          (check.referenceSeconds * 1e3).decimal(places: 4), check.seconds.map { ($0 * 1e3).decimal(places: 4) } ?? "-",
        ] + (check.problem == nil ? [] : [mark]))
    }
    let summary =
      faults.isEmpty ? "all \(checks.count) checks are good" : "\(faults.count) of \(checks.count) checks failed"
    let lines = [heading, "  compared with \(reference.printable)"] + table.lines(indent: 2) + ["  \(summary)"]
    return lines.joined(separator: "\n")
  }
}
