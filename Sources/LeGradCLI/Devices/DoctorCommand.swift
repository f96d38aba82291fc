import ArgumentParser
import Compute
import Failures
import LeGrad
import OperationSamples

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check that devices compute right, and how fast.",
    discussion: """
      Every operation in the sizes of the model inside this program, then one explanation, on each device and with \
      each of its kernels, against the native CPU backend; that backend itself against its portable inner loops. \
      Without --device all devices are checked. Errors are normalised mean squares; the explanation's is the largest \
      difference over the largest value.

      Exit codes: 0 all good, also where there is no OpenCL device and none was asked for; 4 a device cannot be used; \
      6 a device computes wrong numbers.
      """)

  @OptionGroup var computing: DeviceOptions

  @Flag(help: "Print a JSON array with an element per device and variant.")
  var json = false

  func run() throws {
    var stream = JSONArrayStream()
    defer { if json { stream.finish() } }
    var status = ExitStatus.success
    let options = try computing.options()
    for (device, variant) in try checked(options) {
      let check = try DeviceCheck(device, variant: variant, options: options)
      let report = DoctorReport(check)
      if json { stream.append(report) } else { Terminal.out(report.text + "\n") }
      if let diagnosis = report.diagnosis { Terminal.error(diagnosis) }
      // Wrong numbers are the worst.
      if check.isWrong { status = .numericalFault }
      if check.isUnusable, status == .success { status = .deviceUnusable }
    }
    guard status == .success else { throw status }
  }

  /// Each device with each of its kernels.
  private func checked(_ options: Explainer.Options) throws(LeGradError) -> [(DeviceSummary, KernelVariant?)] {
    let devices: [DeviceSummary]
    if ["all", "auto"].contains(computing.device) {
      devices = try DeviceSummary.all(options)
      if let problem = DeviceSummary.loaderProblem { Terminal.note("only the CPU is checked: \(problem)") }
    } else {
      devices = [try DeviceSummary.chosen(by: options)]
    }
    return devices.flatMap { device -> [(DeviceSummary, KernelVariant?)] in
      guard device.backend == .openCL else { return [(device, nil)] }
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

  init(_ check: DeviceCheck) {
    let device = check.device
    self.device = Device(
      index: device.index, backend: device.backend.rawValue, kind: device.kind.rawValue, name: device.name,
      platform: device.openCL?.platform, driver: device.openCL?.driver)
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

  private var checks: [Operation] { operations + [explanation].compactMap { $0 } }
  private var faults: [Operation] { checks.filter { $0.problem != nil } }

  private var isNative: Bool { device.backend == BackendKind.native.rawValue }

  private var name: String {
    let kernels = isNative ? nil : variant.map { ", \($0) kernels" }
    return "[\(device.index)] \(device.backend) \(device.kind): \(device.name)\(kernels ?? "")"
  }

  /// What is wrong and what to do, in one line; nil where all is good.
  var diagnosis: String? {
    if let problem { return "\(name): cannot be used: \(problem)" }
    guard let first = faults.first, let problem = first.problem else { return nil }
    let count = "\(faults.count) of \(checks.count) checks failed, first \(first.operation) \(first.detail): \(problem)"
    guard verdict == "wrong" else { return "\(name): cannot be used: \(count)" }
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
