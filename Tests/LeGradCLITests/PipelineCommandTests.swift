import Foundation
import ImageFiles
import Randomness
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
      in: scratch, environment: try FaultySystem.environment("write:\(write)-100000/1:-1"))
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
