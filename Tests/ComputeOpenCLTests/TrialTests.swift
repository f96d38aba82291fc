import Compute
import Foundation
import TestSupport
import Testing

@testable import ComputeOpenCL

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
    let record = try TrialRecord(.variant(.cpu), on: device, kernelFolder: nil, ptxFolder: nil)
    #expect(record.kept(in: scratch.path, limit: .seconds(9)) == nil)
    record.keep(.timedOut(seconds: 9, words: "so far"), in: scratch.path)
    #expect(record.kept(in: scratch.path, limit: .seconds(9)) == .timedOut(seconds: 9, words: "so far"))
    #expect(record.kept(in: scratch.path, limit: .seconds(10)) == nil)
    record.keep(.works(seconds: 1), in: scratch.path)
    #expect(record.kept(in: scratch.path, limit: .seconds(1)) == .works(seconds: 1))
    #expect(
      try TrialRecord(.variant(.portable), on: device, kernelFolder: nil, ptxFolder: nil)
        .kept(in: scratch.path, limit: .seconds(1)) == nil)
    #expect(throws: (any Error).self) {
      try TrialRecord(.variant(.cpu), on: device, kernelFolder: scratch.path, ptxFolder: nil)
    }
  }
}
