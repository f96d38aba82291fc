import Foundation
import Processes
import Testing

@Suite struct ChildProcessTests {
  private func shell(_ script: String, limit: Duration? = .seconds(60)) throws -> ChildProcess {
    try #require(ChildProcess.run("/bin/sh", ["-c", script], limit: limit))
  }

  @Test func tellsHowItEnded() throws {
    #expect(try shell("exit 0").ending == .exited(status: 0))
    #expect(try shell("exit 213").ending == .exited(status: 213))
    for signal in [6, 9, 11, 15] { #expect(try shell("kill -\(signal) $$").ending == .died(signal: Int32(signal))) }
    #expect(ChildProcess.run("/nonexistent/program", [], limit: .seconds(60)) == nil)
  }

  @Test func tellsWhatWasSaid() throws {
    let child = try shell("echo out; echo first >&2; echo last words >&2; echo >&2; exit 3")
    #expect(String(decoding: child.output, as: UTF8.self) == "out\n")
    #expect(child.lastWords == "last words")
    // More than a pipe holds: nobody waits for anybody.
    let long = try shell("head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2")
    #expect(long.ending == .exited(status: 0) && long.output.count == 300_000)
    #expect(long.errors.count == 1 << 16 && long.lastWords == String(repeating: "y", count: 300))
  }

  /// What the program started goes with it, and is not waited for.
  @Test func isEndedAtItsLimit() throws {
    let child = try shell("sleep 100000 & echo $!; wait", limit: .seconds(1))
    #expect(child.ending == .timedOut)
    let helper = try #require(Int32(String(decoding: child.output, as: UTF8.self).split(separator: "\n")[0]))
    #expect(isGone(helper))
    let orphan = try shell("sleep 100000 & echo $!; exit 4")
    #expect(orphan.ending == .exited(status: 4))
    #expect(isGone(try #require(Int32(String(decoding: orphan.output, as: UTF8.self).split(separator: "\n")[0]))))
  }

  /// Whether a process has ended, as soon as the system has taken notice.
  private func isGone(_ process: Int32) -> Bool {
    for _ in 0..<6000 {
      let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      guard let state, !state.contains(") Z ") else { return true }
      usleep(10_000)
    }
    return false
  }

  @Test func itsInputLastsAsLongAsThisProcess() throws {
    #expect(try shell("cat; echo over", limit: .seconds(1)).ending == .timedOut)
  }
}
