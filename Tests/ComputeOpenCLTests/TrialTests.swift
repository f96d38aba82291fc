import Compute
import Foundation
import TestSupport
import Testing

@testable import ComputeOpenCL

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

@Suite struct TrialVerdictTests {
  static let verdicts: [KernelTrial.Verdict] = [
    .works(seconds: 0.00125), .refused("clBuildProgram: it is what it is"), .refused(""),
    .exited(status: 8, words: "two words"), .died(signal: 11, words: ""), .timedOut(seconds: 120, words: "a: b"),
  ]

  @Test(arguments: verdicts) func isWrittenAndRead(_ verdict: KernelTrial.Verdict) {
    #expect(KernelTrial.Verdict(line: verdict.line) == verdict)
  }

  @Test(arguments: [
    "", "works", "works nan", "works x", "died", "died x y", "exited", "timedOut ", "fine 1", "works 1e999",
  ])
  func whatIsNoneIsRefused(_ line: String) { #expect(KernelTrial.Verdict(line: line) == nil) }

  @Test func theFastestThatWorksIsTaken() {
    func trial(_ variant: KernelVariant, _ verdict: KernelTrial.Verdict) -> KernelTrial {
      KernelTrial(variant, verdict)
    }
    let (slow, fast) = (trial(.portable, .works(seconds: 2)), trial(.cpu, .works(seconds: 1)))
    #expect(KernelTrial.best(of: [slow, fast]) == .cpu && KernelTrial.best(of: [slow]) == .portable)
    #expect(KernelTrial.best(of: [slow, trial(.cpu, .died(signal: 6, words: ""))]) == .portable)
    #expect(KernelTrial.best(of: [trial(.cpu, .refused("no"))]) == nil && KernelTrial.best(of: []) == nil)
    #expect(KernelTrial.problem(of: [slow, fast]) == nil)
    #expect(KernelTrial.problem(of: [trial(.portable, .refused("no")), trial(.cpu, .refused("no"))]) == "no")
    #expect(KernelTrial.problem(of: [slow, trial(.cpu, .refused("no"))]) == "cpu kernels: no")
  }

  @Test(.enabled(if: TestDevice.first != nil)) func isKeptForItsDeviceKernelsAndLimit() throws {
    let device = try #require(TestDevice.first)
    let scratch = try ScratchFolder()
    let record = try TrialRecord(.variant(.cpu), on: device, kernelFolder: nil)
    #expect(record.kept(in: scratch.path, limit: .seconds(9)) == nil)
    record.keep(.timedOut(seconds: 9, words: "so far"), in: scratch.path)
    #expect(record.kept(in: scratch.path, limit: .seconds(9)) == .timedOut(seconds: 9, words: "so far"))
    #expect(record.kept(in: scratch.path, limit: .seconds(10)) == nil)
    record.keep(.works(seconds: 1), in: scratch.path)
    #expect(record.kept(in: scratch.path, limit: .seconds(1)) == .works(seconds: 1))
    #expect(
      try TrialRecord(.variant(.portable), on: device, kernelFolder: nil).kept(in: scratch.path, limit: .seconds(1))
        == nil)
    #expect(throws: (any Error).self) { try TrialRecord(.variant(.cpu), on: device, kernelFolder: scratch.path) }
  }
}
