import Foundation
import TestSupport
import Testing

/// Commands end when they are asked to, wherever they are.
@Suite struct InterruptionTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Seconds that a machine under load may take for what takes two.
  private static let patience = 30.0

  /// Runs a command in a shell's words and sends it signals once a file is there and it has taken some of a processor's time.
  /// - Returns: the exit code as the shell has it, 128 and the number for a signal; nil where it did not end.
  private func end(
    _ words: [String], before: String = "", by numbers: [Int32], once file: String, busyFor seconds: Double = 0,
    environment: [String: String] = [:]
  ) throws -> (code: Int32?, errors: String) {
    let command = before + ([CommandRunner.binary] + words).map { "'\($0)'" }.joined(separator: " ")
    let running = try RunningCommand(
      ["-c", "exec \(command)"], in: scratch, environment: environment, executable: "/bin/sh")
    let start = Date(timeIntervalSinceNow: 60)
    while !FileManager.default.fileExists(atPath: scratch.path(file)), Date() < start { usleep(2_000) }
    while Self.processorSeconds(of: running.identifier) < seconds, Date() < start { usleep(2_000) }
    for number in numbers {
      kill(running.identifier, number)
      usleep(50_000)
    }
    let deadline = Date(timeIntervalSinceNow: Self.patience)
    while kill(running.identifier, 0) == 0, running.isRunning, Date() < deadline { usleep(10_000) }
    guard !running.isRunning else {
      kill(running.identifier, SIGKILL)
      _ = try running.wait()
      return (nil, "")
    }
    let result = try running.wait()
    return (result.exitCode ?? 128 + running.signal, result.errors)
  }

  /// What a process has taken of processors, as /proc/PID/stat has it; without end for one that is no more.
  private static func processorSeconds(of process: Int32) -> Double {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let fields = text.split(separator: ")").last?.split(separator: " "), fields.count > 12,
      let user = Double(fields[11]), let system = Double(fields[12])
    else { return .infinity }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private static let batch = ["evaluate", "shapes", "--scenes", "400", "--batch-size", "400", "-o", "out"]
  /// Of a processor, by which the batch has begun and is not done: drawing 500 scenes takes half of that, and until then a
  /// request is heard at once.
  private static let seconds = 6.0
  private static let part = "out/shards/0-of-1.jsonl.part"

  /// All images of the run are one batch, in which nobody asks whether to stop.
  @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aLongBatchIsNotWaitedFor(number: Int32) throws {
    let (code, errors) = try end(
      Self.batch + ["--device", "cpu"], by: [number], once: Self.part, busyFor: Self.seconds)
    #expect(code == 128 + number, "\(errors)")
    #expect(errors.contains("--resume"), "\(errors)")
    // What there is can be gone on with.
    let again = try CommandRunner.run(
      ["evaluate", "shapes", "--scenes", "400", "--batch-size", "400", "-o", "out", "--device", "cpu"], in: scratch)
    #expect(again.exitCode != nil && again.exitCode != 3, "\(again.errors)")
  }

  @Test func aSecondSignalEndsAtOnce() throws {
    // Before the batch has begun, the first one ends it.
    let (code, errors) = try end(
      Self.batch + ["--device", "cpu"], by: [SIGTERM, SIGINT], once: Self.part, busyFor: Self.seconds)
    #expect(code == 128 + SIGINT, "\(errors)")
    // The first one's patience had not come to its end.
    #expect(!errors.contains("stopped"), "\(errors)")
  }

  /// Whoever stands still in a pipe that nobody writes to.
  @Test func standardInputIsNotWaitedFor() throws {
    let pipe = scratch.path("pipe")
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    let (code, errors) = try end(
      ["explain", "/dev/stdin", "-p", "x", "-m", GoldenCommand.model, "--device", "cpu"],
      before: "3<>'\(pipe)' <'\(pipe)' ", by: [SIGTERM], once: "legrad-out")
    #expect(code == 128 + SIGTERM, "\(errors)")
  }

  /// The first process of a container has no default actions.
  @Test(.enabled(if: geteuid() == 0), arguments: [SIGTERM, SIGINT]) func theFirstProcessOfAContainerEnds(
    number: Int32
  ) throws {
    // The process itself is found by its parent: unshare forks it.
    let words = ([CommandRunner.binary] + Self.batch + ["--device", "cpu"]).map { "'\($0)'" }.joined(separator: " ")
    let script = """
      unshare -pf --kill-child \(words) & parent=$!
      while [ ! -e \(Self.part) ]; do sleep 0.05; done
      child=$(cat /proc/$parent/task/$parent/children)
      kill -\(number) $child
      for i in $(seq 300); do [ -d /proc/$child ] || break; sleep 0.1; done
      kill -KILL $child 2>/dev/null && echo late
      wait $parent; echo $?
      """
    let result = try RunningCommand(
      ["-c", script], in: scratch, environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"], executable: "/bin/sh"
    ).wait()
    #expect(result.output == "\(128 + number)\n", "\(result.output)\(result.errors)")
  }
}
