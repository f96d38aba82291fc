import Failures
import Foundation
import TestSupport
import Testing

@testable import LeGradCLI

/// What the command calls the subjects of messages.
@Suite struct AdviceTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  @Test func everySubjectIsAnOptionOfACommand() throws {
    let commands = [["explain"], ["evaluate", "perturbation"], ["evaluate", "segmentation"], ["benchmark"]]
    let help = try commands.map { try CommandRunner.run($0 + ["--help"], in: scratch).output }.joined()
    let options = Set(help.split { !$0.isLetter && $0 != "-" && $0 != "_" })
    let others: [Subject] = [.devices, .triesDevicesAgain, .waitsAfterEveryOperation]
    for subject in Subject.allCases where !others.contains(subject) {
      #expect(options.contains(subject.option[...]), "\(subject)")
    }
    expectExit(0, try CommandRunner.run(["devices"], in: scratch))
    expectExit(0, try CommandRunner.run(["devices", "--try-again"], in: scratch))
    #expect(Subject.triesDevicesAgain.option == "'legrad devices --try-again'")
    #expect(Subject.devices.option == "'legrad devices'" && Subject.waitsAfterEveryOperation.option == "LEGRAD_SYNC=1")
    #expect(Set(Subject.allCases.map(\.option)).count == Subject.allCases.count)
  }

  /// The remedy, taken literally, goes on.
  @Test func anErrorOfTheLibraryNamesTheOptionThatHelps() throws {
    func explain(_ layers: String) throws -> CommandResult {
      try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "a cross", "--layers", layers, "--overwrite"], in: scratch)
    }
    let refused = try explain("last:99")
    expectExit(2, refused, complaint: "--layers last:99: the model has ")
    expectExit(0, try explain(String(try #require(refused.complaints.first?.split(separator: " ").last))))
  }

  @Test func missingStatisticsAreAskedFor() throws {
    let model = try MalformedModel(in: scratch)
    try model.editConfiguration { $0.replacingOccurrences(of: "\"preprocess_cfg\"", with: "\"unused\"") }
    let arguments = ["explain", GoldenCommand.image, "-p", "a cross", "-m", "model"]
    let refused = try CommandRunner.run(arguments, in: scratch)
    expectExit(3, refused, complaint: "give --mean R,G,B and --std R,G,B")
    expectExit(0, try CommandRunner.run(arguments + ["--mean", "0,0,0", "--std", "1,1,1"], in: scratch))
  }

  @Test(arguments: [("portable", 0), ("avx", 4), ("AVX2", 4)])
  func theEnvironmentChoosesTheInstructionSet(name: String, status: Int32) throws {
    let result = try CommandRunner.run(["devices"], in: scratch, environment: ["LEGRAD_CPU_ISA": name])
    if status == 0 {
      expectExit(status, result)
      #expect(result.output.contains("portable*") || result.output.contains("portable, "))
    } else {
      expectExit(status, result, complaint: "'\(name)'")
      #expect(result.errors.contains("portable, avx2"))
    }
  }
}
