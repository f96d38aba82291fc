import Foundation
import NpyFiles
import TestSupport
import Testing

/// Pictures and prompts at the edges of what a command line can say.
@Suite struct PictureCommandTests {
  private static func explain(_ pictures: [String], _ options: [String], in scratch: ScratchFolder) throws
    -> CommandResult
  {
    try CommandRunner.run(["explain"] + pictures + options, in: scratch)
  }

  /// A mark that combines with the sign before it begins the prompt.
  @Test(arguments: ["\u{301}a cat", "\u{338}", "\u{FE0F}x=y", "\u{200D}", "=a", "a=\u{301}"])
  func aPromptMayBeginWithACombiningMark(prompt: String) throws {
    let scratch = try ScratchFolder()
    let result = try Self.explain(
      [GoldenCommand.image], ["--prompt=" + prompt, "-m", Fixtures.path("clip/model"), "--json"], in: scratch)
    expectExit(0, result)
    let report = try #require((result.json() as? [[String: Any]])?.first?["prompts"] as? [[String: Any]])
    let said = try #require(report.first?["prompt"] as? String)
    #expect(Array(said.unicodeScalars) == Array(prompt.unicodeScalars))
  }

  /// A device need not end, and no limit that could be raised is the reason.
  @Test(arguments: ["/dev/zero", "/dev/null", "/dev/full", "/"]) func aDeviceIsNoPicture(path: String) throws {
    let scratch = try ScratchFolder()
    let found = path == "/" ? "it is a folder" : "found a device"
    let model = ["-m", Fixtures.path("clip/model")]
    let picture = try Self.explain([path, GoldenCommand.image], ["-p", "x"] + model, in: scratch)
    expectExit(1, picture, complaint: found)
    #expect(!picture.errors.contains("limit"))
    let reference = try Self.explain(
      [GoldenCommand.image], ["--reference-image", path, "--overwrite"] + model, in: scratch)
    expectExit(3, reference, complaint: found)
    let prompts = try Self.explain([GoldenCommand.image], ["--prompts-file", path, "--overwrite"] + model, in: scratch)
    expectExit(3, prompts, complaint: path == "/" ? "a folder" : "a device")
    let rows = try Self.explain([GoldenCommand.image], ["--text-embeddings", path, "--overwrite"] + model, in: scratch)
    expectExit(3, rows, complaint: path == "/" ? "a folder" : "a device")
  }

  /// timm's `border` pads a picture, and what is most relevant of a random model may be in there.
  @Test func theMaximumLiesInThePicture() throws {
    let scratch = try ScratchFolder()
    let folder = try scratch.copy("families/timm-vit/model", to: "model")
    let file = URL(filePath: folder + "/config.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try text.replacing("\"crop_mode\": \"center\"", with: "\"crop_mode\": \"border\"")
      .write(to: file, atomically: true, encoding: .utf8)
    let result = try Self.explain(
      [Fixtures.path("processors/wide.png")],
      ["-m", folder, "--top", "7", "--resize", "processor", "--method", "lrp", "--format", "npy,json"], in: scratch)
    expectExit(0, result)
    let report = try scratch.json("legrad-out/wide.json")
    let size = try #require(report["imageSize"] as? [String: Int])
    let region = try #require(report["region"] as? [String: Int])
    #expect(try #require(region["y"]) < 0)
    let relevance = try NpyFile.readFloats(scratch.path("legrad-out/wide.relevance.npy"))
    let (rows, columns) = (relevance.shape[1], relevance.shape[2])
    var paddedMaxima = 0
    for (prompt, said) in try #require(report["prompts"] as? [[String: Any]]).enumerated() {
      let maximum = try #require(said["maximum"] as? [String: Int])
      let (x, y) = (try #require(maximum["x"]), try #require(maximum["y"]))
      #expect((0..<(size["width"] ?? 0)).contains(x) && (0..<(size["height"] ?? 0)).contains(y), "\(x), \(y)")
      let cells = relevance.values[prompt * rows * columns..<(prompt + 1) * rows * columns]
      let first = try #require(cells.indices.max { cells[$0] < cells[$1] }) - cells.startIndex
      let centre =
        Double(region["y"] ?? 0) + (Double(first / columns) + 0.5) * Double(region["height"] ?? 0) / Double(rows)
      if centre < 0 || centre >= Double(size["height"] ?? 0) { paddedMaxima += 1 }
    }
    #expect(paddedMaxima > 0, "no map has its maximum in the padding")
  }
}
