package import Compute
import Failures
package import OpenCLRuntime
import Processes

/// A trial in a process of its own: this side asks, the command `legrad` on the other side answers.
package enum TrialProcess {
  /// The subcommand that answers.
  package static let subcommand = "try-device"

  /// What the other process has to know, in the order of its arguments.
  package struct Request {
    package let position: Int
    let subject: TrialSubject
    package let cacheFolder: String?
    package let kernelFolder: String?
    let ptxFolder: String?

    /// - Returns: nil for arguments that are no request's.
    package init?(arguments: [String]) {
      guard arguments.count == 5, let position = Int(arguments[0]), let subject = TrialSubject(word: arguments[1])
      else { return nil }
      self.position = position
      self.subject = subject
      cacheFolder = arguments[2].isEmpty ? nil : arguments[2]
      kernelFolder = arguments[3].isEmpty ? nil : arguments[3]
      ptxFolder = arguments[4].isEmpty ? nil : arguments[4]
    }
  }

  /// What a trial of `record` comes to, and whether it would tomorrow; nil where the process cannot be started or is
  /// another build's.
  static func finding(
    _ record: TrialRecord, _ device: OpenCLDevice, _ trial: DeviceTrial, _ options: OpenCLBackend.Options
  ) throws(BackendError) -> Trial.Finding? {
    let arguments = [
      subcommand, "\(device.position)", record.subject.word, options.cacheFolder ?? "", options.kernelFolder ?? "",
      options.ptxFolder ?? "",
    ]
    guard let child = ChildProcess.run(trial.executable, arguments, limit: trial.timeLimit) else { return nil }
    let words = child.lastWords
    if let line = answer(child.output, key: record.key) { return try verdict(of: line, words, device) }
    switch child.ending {
    case .timedOut: return (.timedOut(seconds: Int((trial.timeLimit / .seconds(1)).rounded()), words: words), true)
    case .died(let signal): return (.died(signal: signal, words: words), true)
    case .exited(let status):
      // Where another build, or none of ours, answers, nothing was tried.
      guard wasBegun(child.output, key: record.key) else { return nil }
      return (.exited(status: status, words: words), true)
    }
  }

  /// Tries what is asked for; to be called in a process that may end.
  /// - Parameter say: receives lines for the process that asks.
  package static func answer(
    _ request: Request, _ device: OpenCLDevice, say: (String) -> Void
  ) throws(BackendError) {
    var options = OpenCLBackend.Options()
    options.cacheFolder = request.cacheFolder
    options.kernelFolder = request.kernelFolder
    options.ptxFolder = request.ptxFolder
    let key: String
    do {
      key = try TrialRecord(
        request.subject, on: device, kernelFolder: request.kernelFolder, ptxFolder: request.ptxFolder
      ).key
    } catch { throw BackendError(.unavailable, operation: .openCLBackend, "\(error)") }
    say("\(key) begins")
    do {
      let (verdict, lasts) = try Trial.finding(of: request.subject, on: device, options)
      say(
        "\(key) \(lasts ? "lasting" : "passing") \(verdict.line.split(whereSeparator: \.isNewline).joined(separator: " "))"
      )
    } catch {
      say("\(key) memory \(error.reason.description.split(whereSeparator: \.isNewline).joined(separator: " "))")
    }
  }

  private static func lines(_ output: [UInt8], key: String) -> [Substring] {
    // A driver may print to the same stream.
    String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline)
      .filter { $0.hasPrefix(key + " ") }.map { $0.dropFirst(key.count + 1) }
  }

  private static func wasBegun(_ output: [UInt8], key: String) -> Bool { lines(output, key: key).contains("begins") }

  private static func answer(_ output: [UInt8], key: String) -> Substring? {
    lines(output, key: key).last { $0 != "begins" }
  }

  private static func verdict(
    of line: Substring, _ words: String, _ device: OpenCLDevice
  ) throws(BackendError) -> Trial.Finding? {
    let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return nil }
    if parts[0] == "memory" {
      throw BackendError(
        .outOfMemory, operation: .openCLBackend, "\(parts[1])",
        advice: "\(Subject.device) cpu needs none of the device's")
    }
    guard let verdict = KernelTrial.Verdict(line: parts[1]) else { return nil }
    // Some drivers give a status and say on standard error what it was about.
    if case .refused(let reason) = verdict, !words.isEmpty, !reason.contains(words) {
      return (.refused("\(reason) (on standard error: \(words))"), parts[0] == "lasting")
    }
    return (verdict, parts[0] == "lasting")
  }
}
