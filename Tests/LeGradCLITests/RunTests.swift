import Foundation
import TestSupport
import Testing

/// How runs over several images begin, fail and end.
@Suite struct RunTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explain(_ images: [String], _ options: [String] = []) throws -> CommandResult {
    try CommandRunner.run(
      ["explain"] + images + ["-m", GoldenCommand.model, "-p", "the sky"] + options, in: scratch)
  }

  @Test(arguments: [1, 4])
  func oneBadImageDoesNotEndTheRun(_ batchSize: Int) throws {
    let images = try ["photo.png", "tall.png", "wide.png"].map { try scratch.copy("preprocess/\($0)", to: $0) }
    try scratch.write(Array(try scratch.bytes("photo.png").prefix(500)), to: "cut.png")
    let all = [images[0], "cut.png", images[1], "missing.png", images[2]]
    let result = try explain(all, ["--format", "json", "--batch-size", "\(batchSize)"])
    expectExit(1, result)
    #expect(result.complaints.count == 2)
    #expect(result.complaints.first?.contains("cut.png") == true)
    #expect(result.complaints.last?.contains("missing.png") == true)
    #expect(result.errors.contains("2 of 5 images failed"))
    #expect(scratch.files(in: "legrad-out") == ["photo.json", "tall.json", "wide.json"])
  }

  @Test func inputsOfOneStemAreToldApart() throws {
    try scratch.copy("preprocess/photo.png", to: "photo.png")
    try scratch.copy("preprocess/photo.jpg", to: "photo.jpg")
    expectExit(0, try explain(["photo.png", "photo.jpg"], ["--format", "json"]))
    #expect(scratch.files(in: "legrad-out") == ["photo.jpg.json", "photo.png.json"])
  }

  @Test func nothingIsReplacedUnasked() throws {
    expectExit(0, try explain([GoldenCommand.image]))
    let first = try scratch.bytes("legrad-out/image_32x32.json")
    expectExit(
      2, try explain([GoldenCommand.image]), complaint: "legrad-out/image_32x32.overlay.0.png exists")
    // A later image's file counts too, before the first image is touched.
    try FileManager.default.createDirectory(atPath: scratch.path("other"), withIntermediateDirectories: false)
    try scratch.write("", to: "other/image_48x48.json")
    let images = [GoldenCommand.image, Fixtures.path("clip/inputs/image_48x48.png")]
    expectExit(2, try explain(images, ["-o", "other"]), complaint: "other/image_48x48.json exists")
    #expect(scratch.files(in: "other") == ["image_48x48.json"])
    expectExit(0, try explain([GoldenCommand.image], ["--overwrite"]))
    #expect(try scratch.bytes("legrad-out/image_32x32.json") != first, "the timings differ")
  }

  @Test func aRunThatFailsLeavesNoFolder() throws {
    expectExit(1, try explain(["missing.png"], ["-o", "a/b"]))
    #expect(scratch.files(in: "").isEmpty)
  }

  @Test func failuresInStandardOutputsJSON() throws {
    let result = try explain(["missing.png", "absent.png"], ["--json"])
    expectExit(1, result)
    let reports = try #require(try result.json() as? [[String: String]])
    #expect(reports.map { $0["image"] } == ["missing.png", "absent.png"])
    #expect(reports.allSatisfy { $0["error"]?.contains("No such file") == true })
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
  func aSignalLeavesNoPartialFile(_ number: Int32) throws {
    let images = try (0..<400).map { try scratch.copy("clip/inputs/image_32x32.png", to: "\($0).png") }
    let running = try CommandRunner.start(
      ["explain"] + images + ["-m", GoldenCommand.model, "-p", "the sky", "--batch-size", "1", "--device", "cpu"],
      in: scratch, environment: try FaultySystem.environment("write:20-100000/1:9999"))
    try running.signalWhereItStandsStill(number)
    let result = try running.wait()
    #expect(result.exitCode == nil)
    #expect(running.signal == number)
    let files = scratch.files(in: "legrad-out")
    #expect(!files.isEmpty)
    #expect(files.count < 3 * images.count)
    for file in files {
      #expect(file.hasSuffix(".png") || file.hasSuffix(".json"))
      let bytes = try scratch.bytes("legrad-out/\(file)")
      // A PNG ends with its end chunk, a report with its closing brace.
      #expect(bytes.suffix(2) == (file.hasSuffix(".png") ? [0x60, 0x82] : [0x7D, 0x0A]), "\(file)")
    }
  }

  @Test func aSignalLeavesNoPartialModel() throws {
    let running = try CommandRunner.start(["model", "random", "--arch", "ViT-L-14", "-o", "model"], in: scratch)
    let deadline = Date(timeIntervalSinceNow: 60)
    while scratch.files(in: "model").isEmpty, Date() < deadline { usleep(2000) }
    kill(running.identifier, SIGINT)
    let result = try running.wait()
    #expect(running.signal == SIGINT, "\(result.errors)")
    #expect(scratch.files(in: "model").isEmpty)
  }

  @Test func helpAndVersionAreResults() throws {
    for arguments in [["--help"], ["explain", "--help"], ["help", "benchmark"], ["--version"], []] {
      let result = try CommandRunner.run(arguments, in: scratch)
      expectExit(0, result)
      #expect(!result.output.isEmpty)
      #expect(result.errors.isEmpty)
    }
    let help = try CommandRunner.run(["explain", "--help"], in: scratch).output
    #expect(help.hasPrefix("OVERVIEW: Show where in images"))
  }

  @Test func theCPUCanBeNamed() throws {
    let devices = try #require(
      try CommandRunner.run(["devices", "--json"], in: scratch).json() as? [[String: Any]])
    let name = try #require(devices[0]["name"] as? String)
    // A driver may call its device what the processor is called.
    for device in ["cpu", "0", "native/" + String(name.prefix(3)).lowercased()] {
      expectExit(0, try explain([GoldenCommand.image], ["--device", device, "--threads", "1", "--overwrite"]))
      let said = try #require(try scratch.json("legrad-out/image_32x32.json")["device"] as? [String: Any])
      #expect(said["reason"] as? String == "as asked for")
      #expect((said["name"] as? String)?.contains("1 thread") == true)
    }
  }
}
