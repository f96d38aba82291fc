import Foundation
import TestSupport
import Testing

/// `legrad evaluate` with models that have classes of their own.
@Suite struct ClassifierEvaluateTests {
  private static let model = Fixtures.path("families/vit/model")
  /// The fixture's classes, in another order than the model's and under WordNet's kind of ids.
  private static let names = [
    "lighthouse", "daisy", "steam_locomotive", "red_fox", "espresso", "golden_retriever", "tabby_cat",
  ]
  private let scratch: ScratchFolder

  init() throws {
    scratch = try ScratchFolder()
    for folder in ["val/n0", "val/n1", "val/n3"] {
      try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    }
    try scratch.copy("families/vit/inputs/image_40x40.png", to: "val/n0/a.png")
    try scratch.copy("families/vit/inputs/image_56x40.png", to: "val/n1/b.png")
    try scratch.copy("families/timm-vit/inputs/image_40x40.png", to: "val/n3/c.png")
    try write(index: Self.names)
  }

  private func write(index names: [String]) throws {
    let members = names.enumerated().map { "\"\($0)\": [\"n\($0)\", \"\($1)\"]" }
    try scratch.write("{" + members.joined(separator: ", ") + "}", to: "index.json")
  }

  private func evaluate(_ arguments: [String], model: String = Self.model) throws -> CommandResult {
    try CommandRunner.run(
      ["evaluate", "perturbation", "--images", "val", "--class-index", "index.json", "-m", model, "--device", "cpu"]
        + arguments, in: scratch)
  }

  @Test func aClassifierIsAskedForItsOwnClasses() throws {
    let result = try evaluate(["-o", "out", "--json", "--method", "legrad,gradcam", "--layers", "all"])
    expectExit(0, result)
    let objects = try #require(try result.json() as? [[String: Any]])
    #expect(objects.count == 2)
    #expect(objects[0]["classOrder"] as? String == "names" && objects[0]["templates"] == nil)
    let rows = try String(decoding: scratch.bytes("out/shards/0-of-1.jsonl"), as: UTF8.self).split(separator: "\n")
    // The reference's highest logit for the first picture is the lighthouse's.
    #expect(rows.contains { $0.contains("n0/a.png") && $0.contains("\"explained\":\"n0\"") })
    let report = try String(decoding: scratch.bytes("out/report.md"), as: UTF8.self)
    #expect(
      report.contains("the model's own classes, matched by name") && report.contains("whose class the model finds"))
  }

  @Test func shardsMergeToTheSameBytes() throws {
    expectExit(0, try evaluate(["-o", "whole", "--explain", "target"]))
    for shard in ["1/2", "0/2"] {
      expectExit(0, try evaluate(["-o", "parts", "--explain", "target", "--shard", shard]))
    }
    expectExit(0, try CommandRunner.run(["merge", "parts"], in: scratch))
    for name in ["report.json", "report.csv", "report.md", "run.json"] {
      #expect(try scratch.bytes("parts/" + name) == scratch.bytes("whole/" + name))
    }
  }

  @Test func whatIsForPromptsIsRefused() throws {
    try scratch.write("a {}\n", to: "templates.txt")
    for options in [["--template", "a {}"], ["--templates", "templates.txt"], ["--text-embeddings", "rows.npy"]] {
      expectExit(2, try evaluate(options + ["-o", "out"]), complaint: "\(options[0]): model is a classifier")
    }
    #expect(scratch.files(in: "out").isEmpty)
  }

  @Test func classesThatTheModelHasNotAreRefusedByName() throws {
    try write(index: Array(Self.names.dropLast()) + ["grey_wolf"])
    expectExit(3, try evaluate(["-o", "out"]), complaint: "one for n6 (grey wolf) of the data set")
    expectExit(
      3,
      try CommandRunner.run(["evaluate", "shapes", "--scenes", "2", "-m", Self.model, "--device", "cpu"], in: scratch),
      complaint: "one for ")
  }

  @Test func anEncoderWithoutTextSaysWhatItNeeds() throws {
    let encoder = Fixtures.path("families/dinov2-encoder/model")
    expectExit(
      2, try evaluate(["-o", "out"], model: encoder),
      complaint: "no text tower to read prompts: give --text-embeddings with a row for each class, or a classifier")
    #expect(scratch.files(in: "out").isEmpty)
  }

  /// Also where an earlier run has kept the embeddings.
  @Test func promptsThatAreCutAreNoted() throws {
    try write(index: ["a", "b", "c", "d"])
    let template = String(repeating: "a red circle and ", count: 30) + "a {}"
    for run in ["first", "second"] {
      let result = try evaluate(["-o", run, "--template", template, "--size", "16"], model: "demo")
      expectExit(0, result)
      let notes = result.errorLines.filter { $0.contains("of its text are left out") }
      #expect(notes.count == 1 && notes[0].contains("3 more prompts are cut as well"), "\(result.errors)")
    }
    #expect(!(try evaluate(["-o", "short", "--size", "16"], model: "demo")).errors.contains("left out"))
  }
}
