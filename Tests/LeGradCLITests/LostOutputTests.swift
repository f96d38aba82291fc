import Foundation
import TestSupport
import Testing

/// Results that do not reach standard output are a failure, but where their reader has seen enough.
@Suite struct LostOutputTests {
  private static func run(_ arguments: [String], _ redirection: String, in scratch: ScratchFolder) throws
    -> CommandResult
  {
    let words = ([CommandRunner.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try RunningCommand(["-c", "\(words) \(redirection)"], in: scratch, environment: [:], executable: "/bin/sh")
      .wait()
  }

  private static let model = Fixtures.path("clip/model")
  static let commands = [
    ["--version"], ["--help"], ["model", "info", "-m", model], ["model", "info", "-m", model, "--json"],
    ["explain", GoldenCommand.image, "-p", "x", "-m", model, "--overwrite"],
    ["explain", GoldenCommand.image, "-p", "x", "-m", model, "--overwrite", "--json"], ["devices", "--json"],
  ]

  @Test(arguments: commands, ["> /dev/full", ">&-"]) func aFullOrClosedOutputIsSaid(
    _ command: [String], redirection: String
  ) throws {
    let scratch = try ScratchFolder()
    expectExit(3, try Self.run(command, redirection, in: scratch), complaint: "standard output: ")
    // What goes to files is whole.
    if command[0] == "explain" { #expect(scratch.files(in: "legrad-out").contains("image_32x32.json")) }
  }

  @Test func theExitCodeOfAnotherFailureStays() throws {
    let scratch = try ScratchFolder()
    let picture = try scratch.write("none", to: "none.png")
    let arguments = ["explain", GoldenCommand.image, picture, "-p", "x", "-m", Self.model]
    let result = try Self.run(arguments, "> /dev/full", in: scratch)
    #expect(result.exitCode == 1 && result.complaints.count == 2, "\(result.errors)")
  }

  @Test func aReaderThatHasSeenEnoughIsNoFailure() throws {
    let scratch = try ScratchFolder()
    let words = "'\(CommandRunner.binary)' model info -m '\(Self.model)'"
    let result = try RunningCommand(
      ["-c", "{ sleep 1; \(words); echo $? > code; } | true"], in: scratch, environment: [:], executable: "/bin/sh"
    ).wait()
    #expect(result.errors.isEmpty, "\(result.errors)")
    #expect(try scratch.bytes("code") == Array("0\n".utf8))
  }
}
