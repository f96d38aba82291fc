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
  private static let shapes = ["evaluate", "shapes", "--scenes", "1", "-m", model, "--device", "cpu"]
  static let commands = [
    ["--version"], ["--help"], ["help", "explain"], ["explain", "--help"], ["--generate-completion-script", "bash"],
    ["model", "info", "-m", model], ["model", "info", "-m", model, "--json"],
    ["explain", GoldenCommand.image, "-p", "x", "-m", model, "--overwrite"],
    ["explain", GoldenCommand.image, "-p", "x", "-m", model, "--overwrite", "--json"], ["devices"],
    ["devices", "--json"], ["demo", "--overwrite", "--device", "cpu"], shapes + ["-o", "a"],
    shapes + ["-o", "b", "--json"], shapes + ["-o", "c", "--shard", "0/2"],
  ]
  static let slowCommands = [
    ["benchmark", "--device", "cpu", "-m", model, "--repetitions", "1"], ["doctor", "--device", "cpu"],
  ]

  @Test(arguments: commands, ["> /dev/full", ">&-"]) func aFullOrClosedOutputIsSaid(
    _ command: [String], redirection: String
  ) throws {
    let scratch = try ScratchFolder()
    expectExit(1, try Self.run(command, redirection, in: scratch), complaint: "standard output: ")
    // What goes to files is whole.
    if command.contains("-p") { #expect(scratch.files(in: "legrad-out").contains("image_32x32.json")) }
  }

  @Test(arguments: slowCommands) func aFullOutputIsSaid(_ command: [String]) throws {
    expectExit(1, try Self.run(command, "> /dev/full", in: ScratchFolder()), complaint: "No space left on device")
  }

  @Test func theExitCodeOfAnotherFailureStays() throws {
    let scratch = try ScratchFolder()
    let picture = try scratch.write("none", to: "none.png")
    let arguments = ["explain", GoldenCommand.image, picture, "-p", "x", "-m", Self.model]
    let result = try Self.run(arguments, "> /dev/full", in: scratch)
    #expect(result.exitCode == 1 && result.complaints.count == 2, "\(result.errors)")
  }

  @Test func aMergeWhoseReportIsLostSaysSo() throws {
    let scratch = try ScratchFolder()
    expectExit(0, try CommandRunner.run(Self.shapes + ["-o", "out"], in: scratch))
    for arguments in [["merge", "out"], ["merge", "out", "--json"]] {
      expectExit(1, try Self.run(arguments, "> /dev/full", in: scratch), complaint: "No space left on device")
    }
  }

  /// The code that the shell sees, after a reader that reads nothing.
  private static func unread(_ arguments: [String], in scratch: ScratchFolder) throws -> (code: String, errors: String)
  {
    let words = ([CommandRunner.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let result = try RunningCommand(
      ["-c", "{ sleep 1; \(words); echo $? > code; } | true"], in: scratch, environment: [:], executable: "/bin/sh"
    ).wait()
    return (String(decoding: try scratch.bytes("code"), as: UTF8.self), result.errors)
  }

  @Test func whoseReaderHasSeenEnoughEndsAsBySIGPIPE() throws {
    let scratch = try ScratchFolder()
    let info = try Self.unread(["model", "info", "-m", Self.model], in: scratch)
    #expect(info.code == "141\n" && info.errors.isEmpty, "\(info)")
    // Files are written to the end.
    let second = try scratch.copy("clip/inputs/image_32x32.png", to: "second.png")
    let images = ["explain", GoldenCommand.image, second, "--batch-size", "1", "-p", "x", "-m", Self.model]
    let explained = try Self.unread(images, in: scratch)
    #expect(explained.code == "141\n" && !explained.errors.contains("legrad: "), "\(explained)")
    #expect(scratch.files(in: "legrad-out").contains("second.json"))
    let failed = try Self.unread(images + [try scratch.write("none", to: "none.png"), "--overwrite"], in: scratch)
    #expect(failed.code == "1\n", "\(failed)")
  }

  /// A pipe in which writing does not wait, as Node.js and others make them, read late.
  @Test func aFullPipeIsWaitedFor() throws {
    let scratch = try ScratchFolder()
    let images = try (0..<60).map { try scratch.copy("clip/inputs/image_32x32.png", to: "\($0).png") }
    let pipe = Pipe()
    let writing = pipe.fileHandleForWriting.fileDescriptor
    #expect(fcntl(writing, F_SETFL, fcntl(writing, F_GETFL) | O_NONBLOCK) == 0)
    let command = try RunningCommand(
      ["explain", "--json", "--format", "json", "--device", "cpu", "-p", "x", "-m", Self.model] + images, in: scratch,
      environment: [:], standardOutput: pipe.fileHandleForWriting)
    try pipe.fileHandleForWriting.close()
    // All of it is written but what the pipe has no room for.
    var read = Data()
    while let part = try pipe.fileHandleForReading.read(upToCount: 1 << 10), !part.isEmpty {
      read += part
      usleep(2_000)
    }
    let result = try command.wait()
    #expect(result.exitCode == 0, "\(result.errors)")
    #expect(read.count > 1 << 16, "a pipe has room for \(read.count) bytes")
    let reports = try #require(JSONSerialization.jsonObject(with: read) as? [[String: Any]])
    #expect(reports.map { $0["image"] as? String } == images)
  }

  /// Whatever a caller closes, no file that is opened is taken for it.
  @Test(arguments: ["2>&-", "<&- 2>&-", "<&- >&- 2>&-", "<&-"]) func closedDescriptorsGetNoMessages(
    _ redirection: String
  ) throws {
    let scratch = try ScratchFolder()
    for folder in ["data", "data/images", "data/masks"] {
      try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    }
    try scratch.write("no picture", to: "data/images/a.png")
    try scratch.copy("clip/inputs/image_32x32.png", to: "data/images/b.png")
    try scratch.copy("clip/inputs/image_32x32.png", to: "data/masks/b.png")
    try scratch.write(#"{"a": "x", "b": "y"}"#, to: "data/classes.json")
    let arguments = [
      "evaluate", "segmentation", "--dataset", "data", "-m", Self.model, "--device", "cpu", "--template", "{}", "-o",
      "out",
    ]
    // Of the two images the one without a mask fails, and says so in the row alone.
    let result = try Self.run(arguments, redirection, in: scratch)
    #expect(result.exitCode == 1, "\(result)")
    let rows = String(decoding: try scratch.bytes("out/shards/0-of-1.jsonl"), as: UTF8.self)
    let lines = rows.split(separator: "\n")
    #expect(lines.count == 3 && lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") }, "\(rows)")
    expectExit(1, try CommandRunner.run(["merge", "out"], in: scratch))
  }
}
