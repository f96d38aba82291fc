import Foundation
import TestSupport
import Testing

/// A folder of a test's own, removed with its owner.
final class ScratchFolder: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "legrad-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func path(_ name: String) -> String { path + "/" + name }

  /// Names of all files in a folder of it, below it too, sorted; empty where there is none.
  func files(in folder: String) -> [String] {
    guard let names = FileManager.default.enumerator(atPath: path(folder)) else { return [] }
    return names.compactMap { $0 as? String }.sorted()
  }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: URL(filePath: path(name)))
    return path(name)
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }

  func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path(name)))) }

  @discardableResult
  func copy(_ fixture: String, to name: String) throws -> String {
    try FileManager.default.copyItem(atPath: Fixtures.path(fixture), toPath: path(name))
    return path(name)
  }

  func json(_ name: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(bytes(name))) as? [String: Any])
  }
}

/// How a run of the command ended and what it said.
struct CommandResult {
  /// Nil if the process died of a signal.
  let exitCode: Int32?
  let output: String
  let errors: String

  var errorLines: [Substring] { errors.split(separator: "\n") }
  /// Lines about errors, without notes.
  var complaints: [Substring] { errorLines.filter { $0.hasPrefix("legrad: ") } }

  func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(output.utf8)) }
}

/// Runs the built command as a process of its own.
enum CommandRunner {
  /// The binary lies beside the test bundle.
  static let binary: String = {
    let bundle =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: bundle).deletingLastPathComponent().appending(path: "legrad").path
  }()

  static func run(
    _ arguments: [String], in folder: ScratchFolder, environment: [String: String] = [:]
  ) throws -> CommandResult {
    let running = try start(arguments, in: folder, environment: environment)
    return try running.wait()
  }

  static func start(
    _ arguments: [String], in folder: ScratchFolder, environment: [String: String] = [:]
  ) throws -> RunningCommand {
    try RunningCommand(arguments, in: folder, environment: environment)
  }
}

/// A process that has been started.
final class RunningCommand {
  private let process = Process()
  private let output: String
  private let errors: String

  /// Output goes to files, unless it is wanted elsewhere: a pipe that nobody reads would stop the process.
  init(
    _ arguments: [String], in folder: ScratchFolder, environment: [String: String],
    executable: String = CommandRunner.binary, standardOutput: FileHandle? = nil
  ) throws {
    let id = UUID().uuidString
    output = FileManager.default.temporaryDirectory.appending(path: "legrad-\(id).out").path
    errors = FileManager.default.temporaryDirectory.appending(path: "legrad-\(id).err").path
    for path in [output, errors] { try Data().write(to: URL(filePath: path)) }
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: folder.path)
    let temporary = FileManager.default.temporaryDirectory
    // Drivers that compile may call a linker. Kernels that one run builds, the next finds.
    let base = [
      "TMPDIR": temporary.path, "PATH": "/usr/bin:/bin",
      "XDG_CACHE_HOME": temporary.appending(path: "legrad-test-cache").path,
    ]
    process.environment = base.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try standardOutput ?? FileHandle(forWritingTo: URL(filePath: output))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
    try process.run()
  }

  deinit {
    for path in [output, errors] { try? FileManager.default.removeItem(atPath: path) }
  }

  var identifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }

  func wait() throws -> CommandResult {
    process.waitUntilExit()
    return CommandResult(
      exitCode: process.terminationReason == .exit ? process.terminationStatus : nil,
      output: String(decoding: try Data(contentsOf: URL(filePath: output)), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: URL(filePath: errors)), as: UTF8.self))
  }

  /// Waits until a rule of `FaultySystem` has stopped the process.
  func waitUntilItStandsStill() throws {
    while Self.state(of: identifier) != "T" {
      guard isRunning else { throw NeverStoodStill(errors: try wait().errors) }
      usleep(1_000)
    }
  }

  /// Sends a signal to a process that a rule of `FaultySystem` stops, and lets it go on from stop to stop until it ends:
  /// on a busy machine whoever takes the signal may come to it late.
  func signalWhereItStandsStill(_ number: Int32) throws {
    try waitUntilItStandsStill()
    kill(identifier, number)
    while isRunning {
      if Self.state(of: identifier) == "T" { kill(identifier, SIGCONT) }
      usleep(1_000)
    }
  }

  struct NeverStoodStill: Error { let errors: String }

  /// A letter of /proc/PID/stat; nil for a process that is no more.
  private static func state(of process: Int32) -> Substring? {
    let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    // NUMBER (NAME) STATE …
    return text?.split(separator: ")").last?.split(separator: " ").first
  }

  /// The signal that the process died of, or 0.
  var signal: Int32 { process.terminationReason == .uncaughtSignal ? process.terminationStatus : 0 }
}

/// A run's exit code and complaints, said in full where they are not as expected.
func expectExit(
  _ code: Int32, _ result: CommandResult, complaint: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(
    result.exitCode == code, "\(result.errors)\(result.output.prefix(500))", sourceLocation: sourceLocation)
  guard let complaint else { return }
  #expect(result.complaints.count == 1, "\(result.errors)", sourceLocation: sourceLocation)
  #expect(
    result.complaints.contains { $0.contains(complaint) }, "\(result.errors) does not say \(complaint)",
    sourceLocation: sourceLocation)
}
