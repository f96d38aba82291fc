import Foundation
import TestSupport
import Testing

/// What `-m` takes beside a model's folder.
@Suite struct ModelPlaceCommandTests {
  static let commit = "0123abcd0123abcd0123abcd0123abcd0123abcd"

  /// A cache of the hub with the Hugging Face fixture as acme/clip.
  @discardableResult
  private static func cache(in scratch: ScratchFolder, _ path: String) throws -> String {
    let model = scratch.path(path + "/models--acme--clip")
    for folder in ["refs", "snapshots"] {
      try FileManager.default.createDirectory(atPath: "\(model)/\(folder)", withIntermediateDirectories: true)
    }
    try Data(commit.utf8).write(to: URL(filePath: model + "/refs/main"))
    try FileManager.default.copyItem(
      atPath: Fixtures.path("clip-hf/model"), toPath: "\(model)/snapshots/\(commit)")
    return model
  }

  private static func info(
    _ model: String, in scratch: ScratchFolder, environment: [String: String] = [:]
  ) throws -> [String: Any] {
    let result = try CommandRunner.run(
      ["model", "info", "-m", model, "--json"], in: scratch, environment: environment)
    expectExit(0, result)
    return try #require(result.json() as? [String: Any])
  }

  /// The variables that huggingface_hub reads, the first of them first.
  @Test func theCacheIsWhereTheHubsLibraryHasIt() throws {
    let scratch = try ScratchFolder()
    for path in ["a", "b", "c/hub", "d/huggingface/hub", "e/.cache/huggingface/hub"] {
      try Self.cache(in: scratch, path)
    }
    var environment = [
      "HF_HUB_CACHE": scratch.path("a"), "HUGGINGFACE_HUB_CACHE": scratch.path("b"), "HF_HOME": scratch.path("c"),
      "XDG_CACHE_HOME": scratch.path("d"), "HOME": scratch.path("e"),
    ]
    for (variable, path) in [
      ("HF_HUB_CACHE", "a"), ("HUGGINGFACE_HUB_CACHE", "b"), ("HF_HOME", "c/hub"),
      ("XDG_CACHE_HOME", "d/huggingface/hub"), ("HOME", "e/.cache/huggingface/hub"),
    ] {
      let info = try Self.info("acme/clip", in: scratch, environment: environment)
      #expect(info["folder"] as? String == scratch.path("\(path)/models--acme--clip/snapshots/\(Self.commit)"))
      #expect(info["name"] as? String == "acme/clip")
      // The runner sets this one itself: empty counts as not set.
      environment[variable] = ""
    }
    environment["HOME"] = scratch.path("e")
    environment["HF_HOME"] = "~/.cache/huggingface"
    let info = try Self.info("acme/clip@0123", in: scratch, environment: environment)
    #expect((info["folder"] as? String)?.hasPrefix(scratch.path("e/.cache/")) == true)
  }

  @Test func aNameThatIsNotThereSaysHowToFetchIt() throws {
    let scratch = try ScratchFolder()
    try Self.cache(in: scratch, "hub")
    let result = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-p", "a cat", "-m", "acme/clap"], in: scratch,
      environment: ["HF_HUB_CACHE": scratch.path("hub")])
    expectExit(
      3, result,
      complaint: "nothing is downloaded here: check the name, and fetch it with 'hf download acme/clap', or give "
        + "HF_HUB_CACHE if it lies in another cache")
  }

  @Test func aFolderOfTheNameGoesFirst() throws {
    let scratch = try ScratchFolder()
    try Self.cache(in: scratch, "hub")
    try FileManager.default.createDirectory(atPath: scratch.path("acme"), withIntermediateDirectories: false)
    try FileManager.default.copyItem(atPath: GoldenCommand.model, toPath: scratch.path("acme/clip"))
    let info = try Self.info("acme/clip", in: scratch, environment: ["HF_HUB_CACHE": scratch.path("hub")])
    #expect(info["layout"] as? String == "openCLIP")
    #expect(info["name"] as? String == "clip")
  }

  @Test func modelsOfTheCacheAreExplained() throws {
    let scratch = try ScratchFolder()
    let model = try Self.cache(in: scratch, "hub")
    let environment = ["HF_HUB_CACHE": scratch.path("hub")]
    let weights = "\(model)/snapshots/\(Self.commit)/model.safetensors"
    for (index, place) in ["acme/clip", scratch.path("hub"), model, weights].enumerated() {
      let result = try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "a cat", "-m", place, "-o", "out\(index)", "--format", "json"],
        in: scratch, environment: environment)
      expectExit(0, result)
      let report = try scratch.json("out\(index)/image_32x32.json")
      #expect((report["model"] as? [String: Any])?["name"] as? String == "acme/clip", "\(report["model"] ?? "none")")
    }
  }

  @Test func positionsOfAnotherGridAreSaidOnce() throws {
    let scratch = try ScratchFolder()
    let model = try MalformedModel(in: scratch)
    try model.editConfiguration { $0.replacingOccurrences(of: "\"image_size\": 32", with: "\"image_size\": 64") }
    let words = "4×4 patches in the weights, resampled to the configuration's 8×8"
    let text = try CommandRunner.run(["model", "info", "-m", "model"], in: scratch)
    expectExit(0, text)
    #expect(text.output.contains(words))
    let vision = try Self.info("model", in: scratch)["vision"] as? [String: Any]
    #expect(vision?["positionsWidth"] as? Int == 4 && vision?["imageWidth"] as? Int == 64)
    let run = try CommandRunner.run(
      [
        "explain", GoldenCommand.image, Fixtures.path("clip/inputs/image_48x48.png"), "-p", "a cat", "-m", "model",
        "-o", "out",
      ],
      in: scratch)
    expectExit(0, run)
    #expect(run.errorLines.filter { $0 == "note: model: positions of \(words)" }.count == 1, "\(run.errors)")
    let plain = try CommandRunner.run(["model", "info", "-m", GoldenCommand.model], in: scratch).output
    #expect(!plain.contains("resampled"))
  }

  /// Prompts need the text tower; embeddings do not.
  @Test func aTextTowerThatIsNotReadIsNoReasonToRefuse() throws {
    let scratch = try ScratchFolder()
    let model = try MalformedModel(in: scratch)
    try model.editConfiguration {
      $0.replacingOccurrences(of: "\"text_cfg\": {", with: "\"text_cfg\": {\"hf_model_name\": \"roberta-base\",")
    }
    let base = ["explain", GoldenCommand.image, "-m", "model"]
    let rows = Fixtures.path("clip/inputs/text_embeddings.npy")
    expectExit(0, try CommandRunner.run(base + ["--text-embeddings", rows, "-o", "out"], in: scratch))
    let prompts = try CommandRunner.run(base + ["-p", "a cat", "-o", "other"], in: scratch)
    expectExit(3, prompts, complaint: "the text tower cannot be read")
    #expect(prompts.errors.contains("hf_model_name") && prompts.errors.contains("--text-embeddings"))
  }
}
