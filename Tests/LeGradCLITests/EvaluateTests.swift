import Evaluation
import Foundation
import ImageFiles
import NpyFiles
import TestSupport
import Testing

extension FileManager {
  fileprivate func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return unsafe fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}

/// `legrad evaluate` and `legrad merge` on few and small inputs.
@Suite struct EvaluateTests {
  let scratch: ScratchFolder
  /// A quarter of the bundled model's tokens.
  private static let small = ["--size", "48", "--device", "cpu"]

  init() throws { scratch = try ScratchFolder() }

  private func evaluate(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> CommandResult {
    try CommandRunner.run(["evaluate"] + arguments + Self.small, in: scratch, environment: environment)
  }

  private func shapes(
    _ options: [String], scenes: Int = 3, environment: [String: String] = [:]
  ) throws -> CommandResult {
    try evaluate(["shapes", "--scenes", "\(scenes)"] + options, environment: environment)
  }

  @Test func shapesPrintsATableAndLeavesAReport() throws {
    let result = try shapes(["-o", "out"])
    expectExit(0, result)
    #expect(result.output.hasPrefix("| method | pixel accuracy | mIoU | mAP | p-mIoU (classes) |"))
    #expect(result.output.contains("| legrad last:2 mean | 0."))
    #expect(
      scratch.files(in: "out") == [
        "manifest.jsonl", "report.csv", "report.json", "report.md", "run.json", "shards", "shards/0-of-1.jsonl",
      ])
    #expect(try String(decoding: scratch.bytes("out/report.md"), as: UTF8.self).contains(result.output))
    let again = try shapes(["-o", "out", "--json"])
    expectExit(0, again)
    #expect(again.errors.contains("finished already"))
    #expect(try Array(again.output.utf8) == scratch.bytes("out/report.json"))
  }

  private func folder(_ name: String) throws -> [String: [UInt8]] {
    let names = scratch.files(in: name).filter { !FileManager.default.isFolder(scratch.path("\(name)/\($0)")) }
    return Dictionary(uniqueKeysWithValues: try names.map { ($0, try scratch.bytes("\(name)/\($0)")) })
  }

  /// Twelve pictures with masks, of which three are bad in ways of their own.
  private func makeMasks() throws {
    for folder in ["images", "masks"] {
      try FileManager.default.createDirectory(
        atPath: scratch.path("data/\(folder)"), withIntermediateDirectories: true)
    }
    var names: [String] = []
    for number in 0..<12 {
      let (width, height) = (50 + 31 * number, 40 + 17 * (number % 5))
      let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 / (7 + number) * 5) }
      var bytes = try RGBImage(width: width, height: height, pixels: pixels).pngBytes()
      if number == 4 { bytes.removeLast(bytes.count / 3) }
      if number == 5 { bytes = Array("no picture".utf8) }
      try scratch.write(bytes, to: "data/images/p\(number).png")
      let mask = RGBImage(
        width: width, height: height, pixels: (0..<width * height * 3).map { $0 % (3 * width) < width ? 255 : 0 })
      if number != 9 { try scratch.write(mask.pngBytes(), to: "data/masks/p\(number).png") }
      names.append("\"p\(number)\": \"\(number % 3 == 0 ? "cat" : "dog")\"")
    }
    try scratch.write("{\(names.joined(separator: ", "))}", to: "data/classes.json")
  }

  @Test func theRunFolderHasTheSameBytesOnAnyNumberOfThreads() throws {
    try makeMasks()
    var expected: [[String: [UInt8]]]?
    for (threads, memory) in [(1, "1G"), (2, "1G"), (3, "40K"), (16, "1G")] {
      let options = ["--threads", "\(threads)", "--memory", memory, "--batch-size", "2"]
      let scenes = "scenes-\(threads)"
      expectExit(0, try shapes(["-o", scenes, "--method", "legrad,gradcam"] + options, scenes: 5))
      let masks = "masks-\(threads)"
      let result = try evaluate(["segmentation", "--dataset", "data", "-o", masks] + options)
      expectExit(1, result)
      #expect(result.complaints.count == 3, "\(result.errors)")
      let folders = try [folder(scenes), folder(masks)]
      #expect((expected ?? folders) == folders, "\(threads)")
      expected = folders
    }
  }

  /// A slow disk changes nothing, and a full one keeps whole rows that --resume goes on with.
  @Test func disksMayBeSlowOrFull() throws {
    try makeMasks()
    let arguments = ["segmentation", "--dataset", "data", "--threads", "3", "--batch-size", "2"]
    expectExit(1, try evaluate(arguments + ["-o", "expected"], environment: ["LEGRAD_CACHE": ""]))
    let slow = try FaultySystem.environment("read:2-100000/3:-20 write:1-100000/2:-20 open:5-100000/7:-50")
    expectExit(1, try evaluate(arguments + ["-o", "slow"], environment: slow))
    #expect(try folder("slow") == folder("expected"))
    for write in [4, 12, 17] {
      let name = "full-\(write)"
      let full = try FaultySystem.environment("write:\(write)-100000/1:28")
      expectExit(3, try evaluate(arguments + ["-o", name], environment: full))
      expectExit(1, try evaluate(arguments + ["-o", name, "--resume"], environment: ["LEGRAD_CACHE": ""]))
      #expect(try folder(name) == folder("expected"), "\(write)")
    }
  }

  @Test func everyBenchmarkHasACommand() throws {
    let help = try CommandRunner.run(["evaluate", "--help"], in: scratch)
    expectExit(0, help)
    for benchmark in Benchmarks.all {
      #expect(help.output.contains("\n  \(benchmark.name) "), "\(benchmark.name)")
      let own = try CommandRunner.run(["evaluate", benchmark.name, "--help"], in: scratch)
      expectExit(0, own)
      #expect(own.output.hasPrefix("OVERVIEW: \(benchmark.abstract.prefix(60))"), "\(own.output)")
    }
  }

  @Test func oneMethodIsAnObjectAndSeveralAreAnArray() throws {
    let one = try shapes(["--json"])
    expectExit(0, one)
    let object = try #require(try one.json() as? [String: Any])
    for key in ["pixelAccuracy", "mIoU", "mAP", "perClass", "perImage", "positiveAUC", "negativeAUC", "accuracy"] {
      let value = try #require(object[key] as? Double, "\(key)")
      #expect((0...1).contains(value))
    }
    #expect(object["images"] as? Int == 6 && object["failed"] as? Int == 0 && object["protocol"] as? String == "shapes")
    #expect(scratch.files(in: "legrad-evaluation").first?.hasPrefix("shapes-") == true)
    let several = try shapes(["--json", "--layers", "last:1,all", "--readout", "mean,cls"], scenes: 1)
    expectExit(0, several)
    let labels = (try several.json() as? [[String: Any]])?.compactMap { $0["label"] as? String }
    #expect(labels == ["legrad last:1 mean", "legrad all mean", "legrad last:1 cls", "legrad all cls"])
  }

  @Test func everyMethodHasARow() throws {
    let result = try shapes(["--method", "all", "--size", "16", "--json"], scenes: 1)
    expectExit(0, result)
    let labels = (try result.json() as? [[String: Any]])?.compactMap { $0["label"] as? String }
    #expect(labels?.count == 14 && labels?.last == "textspan" && labels?.contains("legrad all cls") == true)
  }

  @Test func shardsMergeToTheBytesOfOneRun() throws {
    let options = ["--method", "legrad,gradcam"]
    expectExit(0, try shapes(options + ["-o", "whole"], scenes: 4))
    expectExit(0, try shapes(options + ["-o", "parts", "--shard", "2/3", "--batch-size", "3"], scenes: 4))
    let early = try CommandRunner.run(["merge", "parts"], in: scratch)
    expectExit(7, early, complaint: "no shards 0, 1 of 3")
    expectExit(0, try shapes(options + ["-o", "parts"], scenes: 4, environment: ["LEGRAD_SHARD": "0/3"]))
    let last = try shapes(
      options + ["-o", "parts", "--json"], scenes: 4,
      environment: ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"])
    expectExit(0, last)
    #expect((try last.json() as? [String: Any])?["shard"] as? String == "1/3")
    let merged = try CommandRunner.run(["merge", "parts", "--json"], in: scratch)
    expectExit(0, merged)
    for name in ["report.json", "report.csv", "report.md", "run.json", "manifest.jsonl"] {
      #expect(try scratch.bytes("parts/\(name)") == scratch.bytes("whole/\(name)"), "\(name)")
    }
    #expect(try Array(merged.output.utf8) == scratch.bytes("whole/report.json"))
  }

  @Test func runsThatDoNotBelongTogetherAreRefused() throws {
    expectExit(0, try shapes(["-o", "out", "--shard", "0/2"]))
    expectExit(
      7, try shapes(["-o", "out", "--shard", "1/2", "--template", "the {}"]), complaint: "configuration.classes")
    expectExit(7, try shapes(["-o", "out", "--shard", "0/3"]), complaint: "expected shards of 3")
    expectExit(7, try CommandRunner.run(["merge", "out"], in: scratch), complaint: "no shards 1 of 2")
    expectExit(3, try CommandRunner.run(["merge", "absent"], in: scratch), complaint: "absent")
  }

  @Test(arguments: [
    (["--shard", "3/3"], "--shard"), (["--shard", "1"], "--shard"), (["--method", "magic"], "no method of this name"),
    (["--layers", "last:2,last:2"], "--layers"), (["--layers", "last:9"], "last:4"),
    (["--readout", "max"], "--readout"),
    (["--template", "a cat"], "one {}"), (["--scenes", "0"], "--scenes"), (["--explain", "both"], "--explain"),
    (["--template", "a {}", "--templates", "f"], "exclude each other"), (["--batch-size", "0"], "--batch-size"),
    (["--threshold", "0.4"], "--threshold"), (["-o", ""], "--output"),
  ])
  func usage(_ options: [String], complaint: String) throws {
    expectExit(2, try shapes(options), complaint: complaint)
    #expect(scratch.files(in: "").isEmpty)
  }

  /// Nothing is left of a run that is refused before its first image.
  @Test func aRefusedRunLeavesNoFolder() throws {
    let model = Fixtures.path("families/siglip2/model")
    let rows = Fixtures.path("families/siglip2/inputs/text_embeddings.npy")
    for (options, code) in [
      (["-m", model, "--text-embeddings", rows, "--fold"], 2), (["-m", model, "--text-embeddings", rows], 3),
      (["--text-embeddings", rows], 3), (["--method", "lrp,legrad", "-m", model], 2), (["--device", "99"], 4),
    ] as [([String], Int32)] {
      let result = try CommandRunner.run(
        ["evaluate", "shapes", "--scenes", "2", "-o", "new/folder"] + options, in: scratch)
      #expect(result.exitCode == code && scratch.files(in: "").isEmpty, "\(options): \(result.errors)")
    }
  }

  @Test func sourcesOfTheShardThatDisagreeAreRefused() throws {
    let result = try shapes(["--shard", "0/2"], environment: ["LEGRAD_SHARD": "1/2"])
    expectExit(2, result, complaint: "0/2 from --shard and 1/2 from LEGRAD_SHARD")
  }

  @Test(arguments: [SIGTERM, SIGKILL])
  func aRunThatWasEndedGoesOn(_ number: Int32) throws {
    let arguments = ["evaluate", "shapes", "--scenes", "60", "--batch-size", "1", "-o", "out"] + Self.small
    let running = try CommandRunner.start(
      arguments, in: scratch, environment: try FaultySystem.environment("write:8-100000/1:9999", files: ".jsonl.part"))
    let part = scratch.path("out/shards/0-of-1.jsonl.part")
    func lines() -> Int { (try? String(contentsOfFile: part, encoding: .utf8))?.count { $0 == "\n" } ?? 0 }
    try running.signalWhereItStandsStill(number)
    let ended = try running.wait()
    #expect(ended.exitCode == nil && running.signal == number)
    let done = lines()
    #expect(done >= 4 && done < 120)
    if number == SIGTERM { #expect(ended.errors.contains("--resume")) }
    let refused = try CommandRunner.run(arguments, in: scratch)
    expectExit(2, refused, complaint: "--resume")
    // Folded products round otherwise, which the report at the end would not mix.
    let folded = try CommandRunner.run(arguments + ["--resume", "--fold"], in: scratch)
    expectExit(7, folded, complaint: "all with --fold or all without")
    #expect(lines() == done)
    let resumed = try CommandRunner.run(arguments + ["--resume"], in: scratch)
    expectExit(0, resumed)
    #expect(resumed.errors.contains("going on after"))
    let text = try String(decoding: scratch.bytes("out/shards/0-of-1.jsonl"), as: UTF8.self)
    #expect(text.count { $0 == "\n" } == 121)
  }
}
