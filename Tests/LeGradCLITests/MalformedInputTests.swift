import Foundation
import TestSupport
import Testing

/// Bad input gives the right exit code and one clear line, and leaves nothing behind.
@Suite struct MalformedInputTests {
  static let all =
    MalformedInput.weightFiles + MalformedInput.shardedModels + MalformedInput.configurations
    + MalformedInput.tokenizers + MalformedInput.images + MalformedInput.arrays + MalformedInput.flags
    + MalformedInput.otherFiles

  @Test func theTableIsLong() { #expect(Self.all.count >= 60) }

  @Test(arguments: all)
  func isRefusedInOneLine(_ input: MalformedInput) throws {
    let scratch = try ScratchFolder()
    let arguments = try input.arguments(scratch)
    let before = scratch.files(in: "")
    let result = try CommandRunner.run(arguments, in: scratch)
    #expect(result.exitCode != nil, "the process died of a signal: \(result.errors)")
    expectExit(input.exitCode, result, complaint: input.complaint)
    let others = result.errorLines.filter { !$0.hasPrefix("legrad: ") && !$0.hasPrefix("note: ") }
    #expect(others.isEmpty, "\(result.errors)")
    #expect(result.output.isEmpty)
    #expect(scratch.files(in: "") == before)
  }
}
