import Foundation
import TestSupport
import Testing

/// Pipes, sockets and devices where files are meant, and what a download leaves in a file's place.
@Suite struct OddFileTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explain(model: String) throws -> CommandResult {
    try CommandRunner.run(
      ["explain", GoldenCommand.image, "-p", "x", "-m", model, "--device", "cpu", "--overwrite"], in: scratch)
  }

  private static let models = ["clip/model", "clip-hf/model", "families/siglip2/model"]

  /// Opening a pipe that nobody writes to would wait for ever.
  @Test(arguments: models) func everyFileOfAModelMayBeAPipe(fixture: String) throws {
    let model = try scratch.copy(fixture, to: "model")
    #expect(try explain(model: model).exitCode == 0)
    for name in try FileManager.default.contentsOfDirectory(atPath: model).sorted() {
      let path = model + "/" + name
      try FileManager.default.moveItem(atPath: path, toPath: scratch.path("kept"))
      #expect(unsafe mkfifo(path, 0o600) == 0)
      let result = try explain(model: model)
      // Files that are not read, a licence for one, may be anything.
      #expect(
        result.exitCode == 0 || result.exitCode == 3 && result.errors.contains("found a pipe"),
        "\(name): \(result.errors)")
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.moveItem(atPath: scratch.path("kept"), toPath: path)
    }
  }

  @Test func aPipeAmongPicturesIsAFailedImage() throws {
    try scratch.copy("evaluation/mask-folder", to: "set")
    try FileManager.default.removeItem(atPath: scratch.path("set/images/b.jpg"))
    #expect(unsafe mkfifo(scratch.path("set/images/b.jpg"), 0o600) == 0)
    let result = try CommandRunner.run(
      ["evaluate", "segmentation", "--dataset", "set", "-o", "out", "--device", "cpu"], in: scratch)
    expectExit(1, result, complaint: "found a pipe")
    // Of a data set nothing comes that way.
    #expect(result.errors.contains("name the file itself") && !result.errors.contains("/dev/stdin"))
    // The list of the classes ends the run.
    try FileManager.default.removeItem(atPath: scratch.path("set/classes.json"))
    #expect(unsafe mkfifo(scratch.path("set/classes.json"), 0o600) == 0)
    let none = try CommandRunner.run(
      ["evaluate", "segmentation", "--dataset", "set", "-o", "out2", "--device", "cpu"], in: scratch)
    expectExit(3, none, complaint: "found a pipe")
  }

  /// Named ones are refused with a remedy that works.
  @Test func picturesAndPromptsMayComeThroughStandardInput() throws {
    let pipe = scratch.path("pipe")
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    let model = ["-m", GoldenCommand.model, "--device", "cpu", "--overwrite"]
    let picture = try CommandRunner.run(["explain", pipe, "-p", "x"] + model, in: scratch)
    expectExit(1, picture, complaint: "found a pipe; name the file itself, or send it in as /dev/stdin")
    let prompts = try CommandRunner.run(["explain", GoldenCommand.image, "--prompts-file", pipe] + model, in: scratch)
    expectExit(3, prompts, complaint: "a pipe; name the file itself, or send it in as /dev/stdin")
    let words = "'\(CommandRunner.binary)' explain"
    let rest = model.map { "'\($0)'" }.joined(separator: " ")
    for script in [
      "cat '\(GoldenCommand.image)' | \(words) /dev/stdin -p x \(rest)",
      "printf 'a\\nb\\n' | \(words) '\(GoldenCommand.image)' --prompts-file /dev/stdin \(rest)",
    ] {
      let result = try RunningCommand(["-c", script], in: scratch, environment: [:], executable: "/bin/sh").wait()
      expectExit(0, result)
    }
  }

  private static let leftovers = [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 1\n", "Git LFS"),
    ("<!doctype html><html><head><title>No access</title></head></html>", "a web page with the title"),
    ("Entry not found", "the text \"Entry not found\""),
  ]

  /// Every file of a model, and every table beside one, is called what it is.
  @Test(arguments: models) func whatADownloadLeavesIsNamed(fixture: String) throws {
    let model = try scratch.copy(fixture, to: "model")
    for name in try FileManager.default.contentsOfDirectory(atPath: model).sorted() {
      let whole = try scratch.bytes("model/" + name)
      for (text, found) in Self.leftovers {
        try scratch.write(text, to: "model/" + name)
        let result = try explain(model: model)
        #expect(
          result.exitCode == 0 || result.exitCode == 3 && result.errors.contains(found), "\(name): \(result.errors)")
      }
      try scratch.write(whole, to: "model/" + name)
    }
    let table = try scratch.write(Self.leftovers[2].0, to: "rows.npy")
    let rows = try CommandRunner.run(
      ["explain", GoldenCommand.image, "--text-embeddings", table, "-m", model, "--device", "cpu"], in: scratch)
    expectExit(3, rows, complaint: Self.leftovers[2].1)
  }
}
