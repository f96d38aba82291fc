import Foundation
import ImageFiles
import LeGrad
import Randomness
import Synchronization
import TestSupport
import Testing

@testable import LeGradCLI

/// Folders of pictures through `legrad explain`: reading, explaining and writing at the same time.
@Suite struct PipelineCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func picture(width: Int, height: Int, seed: UInt64) -> RGBImage {
    var random = SeededGenerator(seed: seed)
    var pixels: [UInt8] = []
    for index in 0..<width * height * 3 {
      pixels.append(UInt8(truncatingIfNeeded: index / 90 + Int.random(in: 0...20, using: &random)))
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// Pictures of several sizes, JPEG and PNG, with bad ones among them.
  private func makePictures(_ count: Int) throws -> [String] {
    try (0..<count).map { number in
      let image = picture(width: 40 + 7 * number, height: 30 + 13 * number % 60, seed: UInt64(number))
      let name = number % 2 == 0 ? "p\(number).png" : "p\(number).jpg"
      var bytes = number % 2 == 0 ? try image.pngBytes() : try image.jpegBytes()
      if number % 5 == 2 { bytes.removeLast(bytes.count / 2) }
      try scratch.write(bytes, to: name)
      return name
    }
  }

  private func explain(
    _ images: [String], _ arguments: [String] = [], environment: [String: String] = [:]
  ) throws -> CommandResult {
    try CommandRunner.run(
      ["explain"] + images + ["-p", "a cat", "-p", "the sky", "-m", GoldenCommand.model, "--device", "cpu"] + arguments,
      in: scratch, environment: environment)
  }

  @Test func theSameBytesInTheSameOrderOnAnyNumberOfThreads() throws {
    let images = try makePictures(14)
    var expected: [String: [UInt8]]?
    for threads in [1, 2, 3, 7, 16] {
      // Little memory makes smaller batches of the same images on any number of threads.
      for memory in ["1G", "60K"] {
        let folder = "out-\(threads)-\(memory)"
        let result = try explain(
          images,
          ["--threads", "\(threads)", "--memory", memory, "-o", folder, "--format", "png,jpg,npy,json", "--json"])
        #expect(result.exitCode == 1, "\(result.errors)")
        let elements = try #require(
          try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(elements.compactMap { $0["image"] as? String } == images)
        #expect(elements.filter { $0["error"] != nil }.count == 3)
        let names = scratch.files(in: folder).filter { !$0.hasSuffix(".json") }
        let bytes = Dictionary(uniqueKeysWithValues: try names.map { ($0, try scratch.bytes("\(folder)/\($0)")) })
        #expect(names.count == 11 * 8 && (expected ?? bytes) == bytes)
        expected = bytes
      }
    }
  }

  @Test func overlaysHaveTheSizeThatIsAskedFor() throws {
    try scratch.write(picture(width: 300, height: 200, seed: 1).pngBytes(), to: "a.png")
    for (size, expected) in [("original", (300, 200)), ("100", (100, 67)), ("2048", (300, 200))] {
      let result = try explain(["a.png"], ["--overlay-size", size, "-o", size, "--format", "png,jpg,json"])
      #expect(result.exitCode == 0, "\(result.errors)")
      for ending in ["png", "jpg"] {
        let overlay = try RGBImage.decode(path: scratch.path("\(size)/a.overlay.1.\(ending)"))
        #expect((overlay.image.width, overlay.image.height) == expected)
        #expect(overlay.format == (ending == "png" ? .png : .jpeg))
      }
      let report = try scratch.json("\(size)/a.json")
      #expect(report["overlaySize"] as? [String: Int] == ["width": expected.0, "height": expected.1])
      #expect(report["imageSize"] as? [String: Int] == ["width": 300, "height": 200])
    }
    #expect(try explain(["a.png"], ["-o", "json", "--format", "json"]).exitCode == 0)
    #expect(scratch.files(in: "json") == ["a.json"])
    #expect(try scratch.json("json/a.json")["overlaySize"] == nil)
    for bad in ["0", "-1", "big", "2000000"] { #expect(try explain(["a.png"], ["--overlay-size", bad]).exitCode == 2) }
    #expect(try explain(["a.png"], ["--overlay-size", "70000", "--format", "jpg"]).exitCode == 2)
  }

  /// A signal leaves images with all of their files or none.
  @Test(arguments: [SIGINT, SIGTERM], [1, 4, 37, 60]) func aSignalLeavesWholeImages(number: Int32, write: Int) throws {
    let images = try makePictures(40)
    let running = try RunningCommand(
      ["explain"] + images + ["-p", "a", "-p", "b", "-m", GoldenCommand.model, "--device", "cpu", "-o", "out"],
      in: scratch, environment: try FaultySystem.environment("write:\(write)-100000/1:9999"))
    try running.signalWhereItStandsStill(number)
    let ended = try running.wait()
    #expect(running.signal == number, "\(ended.errors)")
    let names = scratch.files(in: "out")
    #expect(names.count < 38 * 5)
    #expect(!names.contains { $0.hasSuffix(".tmp") })
    for image in images {
      let stem = image.split(separator: ".")[0]
      let own = names.filter { $0.hasPrefix("\(stem).") }
      #expect(own.isEmpty || own.count == 5, "\(own)")
    }
  }

  /// The disk is full after some files: the run ends with that, and no image has a part of its files.
  @Test(arguments: [3, 12, 40]) func aFullDiskEndsTheRun(write: Int) throws {
    let images = try makePictures(12).filter { !$0.hasPrefix("p2.") && !$0.hasPrefix("p7.") }
    let result = try explain(
      images, ["-o", "out"], environment: try FaultySystem.environment("write:\(write)-100000/1:28"))
    #expect(result.exitCode == 3, "\(result.errors)")
    #expect(result.errors.contains("No space left"), "\(result.errors)")
    let names = scratch.files(in: "out")
    #expect(!names.contains { $0.hasSuffix(".tmp") })
    for image in images {
      let own = names.filter { $0.hasPrefix("\(image.split(separator: ".")[0]).") }
      #expect(own.isEmpty || own.count == 5, "\(own)")
    }
  }

  /// Reads, writes and opens that come late, now these and now those: the same bytes, and the same failures.
  @Test(arguments: [
    "read:1-100000/1:-5", "read:7-100000/11:-120", "write:1-100000/3:-15", "write:5-5/1:-700", "open:3-100000/5:-40",
    "rename:1-100000/2:-20 read:2-100000/3:-10",
  ]) func aSlowDiskChangesNothing(rules: String) throws {
    let images = try makePictures(9)
    let options = ["--format", "png,jpg,npy", "--threads", "3"]
    let expected = try explain(images, options + ["-o", "expected"])
    #expect(expected.exitCode == 1)
    let result = try explain(images, options + ["-o", "out"], environment: try FaultySystem.environment(rules))
    #expect(result.exitCode == 1 && result.errors == expected.errors, "\(result.errors)")
    let names = scratch.files(in: "expected")
    #expect(scratch.files(in: "out") == names && names.count == 7 * 8)
    for name in names { #expect(try scratch.bytes("out/\(name)") == scratch.bytes("expected/\(name)")) }
  }

  /// A disk that is slow and then full.
  @Test func aSlowDiskThatBecomesFullEndsTheRun() throws {
    let images = try makePictures(7).filter { !$0.hasPrefix("p2.") }
    let result = try explain(
      images, ["-o", "out", "--threads", "4"],
      environment: try FaultySystem.environment("write:1-19/2:-30 write:20-100000/1:28"))
    #expect(result.exitCode == 3 && result.errors.contains("No space left"), "\(result.errors)")
    for image in images {
      let own = scratch.files(in: "out").filter { $0.hasPrefix("\(image.split(separator: ".")[0]).") }
      #expect(own.isEmpty || own.count == 5, "\(own)")
    }
  }

  // MARK: What is not asked for

  @Test func formatNoneWritesNothingAndSaysTheSame() throws {
    let images = try makePictures(4)
    func results(_ format: String) throws -> [[String: Any]] {
      let result = try explain(images, ["--format", format, "--json", "-o", format])
      #expect(result.exitCode == 1, "\(result.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    }
    let (none, all) = (try results("none"), try results("png,npy,json"))
    #expect(!FileManager.default.fileExists(atPath: scratch.path("none")))
    for (without, with) in zip(none, all) where without["error"] == nil {
      for key in ["prompts", "model", "grid", "inputSize", "region", "imageSize"] {
        let (one, other) = (try #require(without[key] as? NSObject), try #require(with[key] as? NSObject))
        #expect(one == other, "\(key)")
      }
      #expect(without["overlaySize"] == nil)
      #expect((without["files"] as? [String: Any])?["report"] == nil)
    }
    let table = try explain(images, ["--format", "none"])
    let written = try explain(images, ["-o", "png"])
    // All but the place of the files, and times.
    func rows(_ result: CommandResult) -> [Substring] {
      result.output.split(separator: "\n").filter { $0.contains("a cat") || $0.contains("the sky") }
    }
    #expect(table.exitCode == 1 && rows(table) == rows(written) && rows(table).count == 6)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("legrad-out")))
    for bad in ["none,json", "", "nothing"] { #expect(try explain(images, ["--format", bad]).exitCode == 2) }
    // What is asked for besides is written.
    #expect(try explain(["p0.png"], ["--format", "none", "--per-layer", "-o", "layers"]).exitCode == 0)
    #expect(scratch.files(in: "layers") == ["p0.layers.npy"])
  }

  /// Enlarged maps, overlays, colours and encoders of three images and two prompts, by format.
  @Test(arguments: [
    ("none", 0, 0, 0, 0), ("json", 0, 0, 0, 0), ("npy", 0, 6, 0, 0), ("jpg", 3, 6, 6, 6),
    ("png,jpg,npy,json", 3, 6, 12, 18),
  ]) func workIsDoneForWhatIsAskedFor(format: String, shown: Int, enlarged: Int, coloured: Int, encoded: Int) throws {
    let images = try makePictures(2) + ["again.png"]
    try scratch.write(picture(width: 300, height: 200, seed: 9).pngBytes(), to: "again.png")
    var options = Explainer.Options()
    options.device = .cpu
    let model = try Model(folder: GoldenCommand.model)
    let explainer = try Explainer(model, options: options)
    let plan = try OutputPlan(
      images: images.map(scratch.path), folder: scratch.path("out"),
      formats: try #require(FormatList(argument: format)).formats, perLayer: false, prompts: 2, overwrite: false)
    _ = try FileSystem.makeWritableFolder(scratch.path("out"))
    let work = Mutex<[ExplanationWriter.Work: Int]>([:])
    let run = ExplainRun(
      explainer: explainer, question: Question(text: try explainer.encode(["a cat", "the sky"])),
      identity: .init(name: "golden", hash: nil),
      writer: ExplanationWriter(
        plan: plan, overlay: Overlay(), overlaySide: 64,
        counted: { kind in work.withLock { $0[kind, default: 0] += 1 } }),
      settings: .init(), verification: nil)
    var good = 0
    try run.run { _, outcome, _ in good += (try? outcome.get()) == nil ? 0 : 1 }
    #expect(good == 3)
    let counts = work.withLock { $0 }
    #expect(counts[.shown] ?? 0 == shown && counts[.enlarged] ?? 0 == enlarged)
    #expect(counts[.coloured] ?? 0 == coloured && counts[.encoded] ?? 0 == encoded)
  }

  /// Without a thread to be had, whoever waits for results does the work.
  @Test func noThreadsAreNeeded() throws {
    let images = try makePictures(7)
    for first in 1...5 {
      let result = try explain(
        images, ["-o", "out\(first)", "--threads", "2"],
        environment: try FaultySystem.environment("thread:\(first)-100000/1:11"))
      #expect(result.exitCode == 1, "\(result.errors)")
      #expect(scratch.files(in: "out\(first)").count == 6 * 5)
    }
  }
}
