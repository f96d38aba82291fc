package import Compute
package import Failures
import Files
import Glibc
package import OpenCLRuntime
import Processes
import Synchronization

/// Makes sure that asking OpenCL for its devices does not end this process or hold it up.
///
/// Asking loads every registered driver. The first time that a machine has these drivers, a process of its own asks; where
/// that does not come through, drivers are added one by one, and those with which it does not are left out: this process
/// then has the others alone, in a folder that `OCL_ICD_VENDORS` names to it and to the processes that it starts.
package enum DriverSearch {
  /// A driver that is left out, and why.
  package struct Barred: Sendable, Equatable {
    package let file: String
    package let verdict: KernelTrial.Verdict

    /// It in the list of what OpenCL has.
    package var fault: OpenCLFault {
      let name = file.split(separator: "/").last.map(String.init) ?? file
      return OpenCLFault(
        platform: "OpenCL driver \(name)", device: nil, kind: nil,
        error: OpenCLError(
          call: "asked for its devices, \(verdict.problem ?? "")", status: .success, detail: "registered as \(file)"))
    }
  }

  package struct Outcome: Sendable {
    package let barred: [Barred]
    /// Whether OpenCL has nothing else that can be asked.
    package let isEmpty: Bool

    package static let unhindered = Outcome(barred: [], isEmpty: false)
  }

  /// The argument by which another process of the command is told to ask.
  package static let request = "drivers"

  /// What a driver that is fine may take; longer than any is seen to, shorter than what people wait for in silence.
  private static let patience: Duration = .seconds(15)
  private static let known = Mutex<Outcome?>(nil)

  /// What came of it earlier in this process, else of asking in another one.
  /// - Parameter trial: nil where this process may take the risk.
  package static func outcome(
    _ trial: DeviceTrial?, cacheFolder: String?, notify: (@Sendable (Message) -> Void)?
  ) -> Outcome {
    known.withLock { known in
      if let known { return known }
      guard let trial else { return .unhindered }
      let outcome = search(trial, cacheFolder, notify)
      known = outcome
      return outcome
    }
  }

  /// Asks without a search: another process of the command has made it for this one.
  package static func trust() { known.withLock { $0 = .unhindered } }

  /// Why there is no platform, as far as that is seen from outside; asked for after the platforms.
  package static var absence: String { RegisteredDrivers().absence }

  /// A line for each registered driver whose library cannot be loaded; asked for after the platforms.
  package static var unloadable: [String] {
    // What was barred is not touched.
    known.withLock { $0?.isEmpty ?? false } ? [] : RegisteredDrivers().unloadable
  }

  private static func search(
    _ trial: DeviceTrial, _ cacheFolder: String?, _ notify: (@Sendable (Message) -> Void)?
  ) -> Outcome {
    let registered = RegisteredDrivers()
    let record = SearchRecord(registered)
    let drivers = registered.drivers
    let barred: [Barred]
    if !trial.repeats, let kept = cacheFolder.flatMap({ record.kept(in: $0, limit: trial.timeLimit) }) {
      barred = kept
    } else {
      barred = found(registered, trial, notify)
      if let cacheFolder { record.keep(barred, in: cacheFolder) }
    }
    guard !barred.isEmpty else { return .unhindered }
    let others = drivers.filter { driver in !barred.contains { $0.file == driver.file } }
    if !others.isEmpty {
      let folder = DriverFolder(others)
      guard folder.isThere else { return Outcome(barred: barred, isEmpty: true) }
      unsafe setenv(RegisteredDrivers.variableName, folder.path, 1)
      folder.removeAtExit()
    }
    return Outcome(barred: barred, isEmpty: others.isEmpty)
  }

  private static func found(
    _ registered: RegisteredDrivers, _ trial: DeviceTrial, _ notify: (@Sendable (Message) -> Void)?
  ) -> [Barred] {
    guard let problem = verdict(trial, limit: min(patience, trial.timeLimit), folder: nil) else { return [] }
    guard !registered.drivers.isEmpty else { return [Barred(file: registered.place, verdict: problem)] }
    let seconds = Int((trial.timeLimit / .seconds(1)).rounded())
    notify?(
      "\(problem.problem ?? ""), asked for its devices; trying each driver in a process of its own, for at most \(seconds) s"
    )
    var sound: [RegisteredDriver] = []
    var barred: [Barred] = []
    for driver in registered.drivers {
      let folder = DriverFolder(sound + [driver])
      defer { folder.remove() }
      // Where nothing can be tried, nothing is trusted.
      let verdict =
        folder.isThere ? verdict(trial, limit: trial.timeLimit, folder: folder.path) : problem
      if let verdict { barred.append(Barred(file: driver.file, verdict: verdict)) } else { sound.append(driver) }
    }
    return barred
  }

  /// How a process ended that asked and did not come through; nil where it did, or is none of this build.
  private static func verdict(_ trial: DeviceTrial, limit: Duration, folder: String?) -> KernelTrial.Verdict? {
    let environment = folder.map { [RegisteredDrivers.variableName: $0] } ?? [:]
    guard
      let child = ChildProcess.run(
        trial.executable, [TrialProcess.subcommand, request], environment: environment, limit: limit)
    else { return nil }
    let lines = String(decoding: child.output, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard lines.contains(Substring(beginning)), !lines.contains(Substring(end)) else { return nil }
    let words = child.lastWords
    switch child.ending {
    case .exited(let status): return .exited(status: status, words: words)
    case .died(let signal): return .died(signal: signal, words: words)
    case .timedOut: return .timedOut(seconds: Int((limit / .seconds(1)).rounded()), words: words)
    }
  }

  private static let beginning = "asking for drivers"
  private static let end = "asked for drivers"

  /// Asks OpenCL for all that it has; to be called in a process that may end.
  /// - Parameter say: receives lines for the process that asks.
  package static func answer(say: (String) -> Void) {
    say(beginning)
    _ = try? OpenCLLibrary.system().findings()
    say(end)
  }
}

/// What a search depends on, and what came of it.
struct SearchRecord {
  private let parts: [String]

  /// Changes when the way of searching does, or that in which it is written.
  private static let format = "1"
  /// Variables by which loaders and drivers choose what there is.
  private static let variables = [
    RegisteredDrivers.variableName, "OCL_ICD_FILENAMES", "OPENCL_LAYERS", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "RUSTICL_ENABLE", "POCL_DEVICES",
  ]

  init(_ registered: RegisteredDrivers) {
    parts =
      [Self.format] + Self.variables.map { variable($0) ?? "" }
      + registered.drivers.flatMap { [$0.file, $0.library, $0.identity] }
  }

  private func files(in folder: String) -> SealedCache {
    SealedCache(folder: folder, fileExtension: "drivers", sizeLimit: 1 << 20)
  }

  /// What an earlier process found; nil where it gave up earlier than `limit`.
  func kept(in folder: String, limit: Duration) -> [DriverSearch.Barred]? {
    guard let content = files(in: folder).content(parts) else { return nil }
    var barred: [DriverSearch.Barred] = []
    for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: "\t", maxSplits: 1)
      guard fields.count == 2, let verdict = KernelTrial.Verdict(line: String(fields[1])) else { return nil }
      if case .timedOut(let seconds, _) = verdict, limit > .seconds(seconds) { return nil }
      barred.append(DriverSearch.Barred(file: String(fields[0]), verdict: verdict))
    }
    return barred
  }

  func keep(_ barred: [DriverSearch.Barred], in folder: String) {
    let text = barred.map { "\($0.file)\t\($0.verdict.line)\n" }.joined()
    files(in: folder).keep(Array(text.utf8), parts)
  }
}

/// A folder that registers some drivers and no others.
private struct DriverFolder {
  let path: String
  private let files: [String]
  let isThere: Bool

  init(_ drivers: [RegisteredDriver]) {
    var template = Array("\(variable("TMPDIR") ?? "/tmp")/legrad-drivers.XXXXXX".utf8CString)
    let isMade = unsafe template.withUnsafeMutableBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return false }
      return unsafe mkdtemp(start) != nil
    }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The order of the names is that of the platforms.
    let files = drivers.indices.map { FileTree.join(path, "\($0 + 100).icd") }
    var isThere = isMade
    for (driver, file) in zip(drivers, files) where isThere {
      isThere = (try? AtomicFile.write(Array("\(driver.library)\n".utf8), to: file)) != nil
    }
    self.path = path
    self.files = files
    self.isThere = isThere
  }

  func remove() {
    for file in files { _ = unsafe unlink(file) }
    _ = unsafe rmdir(path)
  }

  private static let last = Mutex<DriverFolder?>(nil)

  func removeAtExit() {
    Self.last.withLock { $0 = self }
    atexit { DriverFolder.last.withLock { $0?.remove() } }
  }
}
