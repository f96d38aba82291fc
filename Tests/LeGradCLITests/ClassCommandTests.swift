import Foundation
import NpyFiles
import TestSupport
import Testing

/// Classifiers and pictures of reference on the command line.
@Suite struct ClassCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func run(_ arguments: [String], expecting code: Int32? = 0) throws -> CommandResult {
    let result = try CommandRunner.run(arguments, in: scratch)
    if let code { expectExit(code, result) }
    return result
  }

  private static let family = Fixtures.path("families/vit")
  private static let image = family + "/inputs/image_40x40.png"
  private static let other = family + "/inputs/image_56x40.png"
  private static let arguments = ["explain", image, "-m", family + "/model", "--device", "cpu"]

  private struct Report: Decodable {
    struct Prompt: Decodable {
      struct Class: Decodable {
        let index: Int
        let name: String
        let logit, probability: Double
      }

      let prompt: String
      let similarity: Double?
      let `class`: Class?
      let tokens: Int?
    }

    let image: String
    let prompts: [Prompt]
  }

  private func reports(_ result: CommandResult) throws -> [Report] {
    try JSONDecoder().decode([Report].self, from: Data(result.output.utf8))
  }

  /// What the stored logits say, by an own softmax.
  private func probabilities() throws -> [Double] {
    let logits = try NpyFile.readFloats(Self.family + "/expected/logits.npy").values.map(Double.init)
    let total = logits.reduce(0) { $0 + exp($1) }
    return logits.map { exp($0) / total }
  }

  @Test func theMostProbableClassIsExplainedWithoutBeingNamed() throws {
    let result = try run(Self.arguments + ["--json", "-o", "out"])
    let prompts = try #require(reports(result).first?.prompts)
    let expected = try probabilities()
    let best = try #require(expected.indices.max { expected[$0] < expected[$1] })
    #expect(prompts.map(\.class?.index) == [best])
    let found = try #require(prompts[0].class)
    #expect(found.name == prompts[0].prompt && prompts[0].similarity == nil && prompts[0].tokens == nil)
    #expect(abs(found.probability - expected[best]) < 1e-5)
    #expect(try run(["explain", Self.image, "-m", Self.family + "/model", "-o", "o"]).output.contains(found.name))
  }

  @Test func topExplainsEachImagesOwnClassesInTheirOrder() throws {
    let result = try run(Self.arguments + [Self.other, "--top", "7", "--json", "-o", "out"])
    let reports = try reports(result)
    #expect(reports.count == 2)
    for report in reports {
      let probabilities = report.prompts.compactMap(\.class?.probability)
      #expect(probabilities == probabilities.sorted(by: >))
      #expect(Set(report.prompts.compactMap(\.class?.index)) == Set(0..<7))
      #expect(abs(probabilities.reduce(0, +) - 1) < 1e-5)
    }
    let expected = try probabilities()
    for found in try #require(reports.first).prompts.compactMap(\.class) {
      #expect(abs(found.probability - expected[found.index]) < 1e-5)
    }
  }

  /// By number, by name in any case, and by one of the names that commas separate.
  @Test func classesAreNamedInAnyWay() throws {
    for (text, index) in [("4", 4), ("Espresso", 4), ("espresso, cup of", 4), ("RED FOX", 2), ("daisy", 6)] {
      let result = try run(Self.arguments + ["--class", text, "--json", "--overwrite", "-o", "out"])
      #expect(try reports(result).first?.prompts.map(\.class?.index) == [index], "\(text)")
    }
  }

  /// The maps of classes named on the command line are those of the reference.
  @Test func relevanceOfNamedClassesIsThatOfTheReference() throws {
    let ids = try JSONDecoder().decode(
      [Int].self, from: Data(contentsOf: URL(filePath: Self.family + "/inputs/class_ids.json")))
    _ = try run(
      Self.arguments + ids.flatMap { ["--class", "\($0)"] } + ["--layers", "all", "--format", "npy", "-o", "out"])
    expectClose(
      try NpyFile.readFloats(scratch.path("out/image_40x40.relevance.npy")),
      try NpyFile.readFloats(Self.family + "/expected/40x40/legrad.npy"), relative: 1e-5)
  }

  @Test(arguments: [
    (["--class", "fox"], "2 \"red fox\""), (["--class", "7"], "classes 0..6"),
    (["--class", "2", "--class", "red fox"], "one class"), (["-p", "a cat"], "--class"), (["--top", "8"], "7 classes"),
    (["--top", "0"], "--top"), (["--top", "2", "--class", "2"], "exclude each other"),
    (["--reference-image", image], "--class"),
    (["--text-embeddings", family + "/expected/logits.npy"], "expected [prompts, embedding]"),
  ]) func whatDoesNotFitAClassifierIsRefused(_ options: [String], words: String) throws {
    let result = try run(Self.arguments + options + ["-o", "out"], expecting: nil)
    #expect(result.exitCode == (options[0] == "--text-embeddings" ? 3 : 2), "\(result.errors)")
    #expect(result.errors.contains(words), "\(result.errors)")
    #expect(scratch.files(in: "").isEmpty)
  }

  @Test(arguments: ["dinov2-encoder", "dinov3", "pe-core-timm"]) func modelsWithoutTextAreNotAskedInWords(
    _ family: String
  ) throws {
    let result = try run(
      ["explain", Self.image, "-m", Fixtures.path("families/\(family)/model"), "-p", "a cat", "-o", "out"],
      expecting: 2)
    #expect(
      result.errors.contains("no text tower to read prompts: give --reference-image or --text-embeddings"),
      "\(result.errors)")
    #expect(scratch.files(in: "").isEmpty)
  }

  /// Of one class there is one map.
  @Test(arguments: [["--repetitions", "1"], ["--repetitions", "0", "--predict", "h200"]])
  func aBenchmarkAsksForNoMoreClassesThanThereAre(_ options: [String]) throws {
    let arguments = ["benchmark", "-m", Self.family + "/model"] + options
    let result = try run(arguments + ["--prompts", "8"], expecting: 2)
    #expect(result.errors.contains("--prompts 8: model has 7 classes"), "\(result.errors)")
    _ = try run(arguments + ["--prompts", "7"])
  }

  @Test(arguments: [["--class", "cat"], ["--top", "3"], []]) func modelsWithoutClassesAreAskedInWords(
    _ options: [String]
  ) throws {
    let result = try run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "-o", "out"] + options, expecting: nil)
    #expect(result.exitCode == 2 && result.errors.contains("-p"), "\(result.errors)")
  }

  /// A picture is as similar to itself as can be, and its own embedding is what it is compared with.
  @Test(arguments: ["dinov2-encoder", "dinov3", "siglip2", "clipa"]) func picturesOfReferenceAreLookedFor(
    _ name: String
  ) throws {
    let folder = Fixtures.path("families/" + name)
    let image = try #require(
      FileManager.default.contentsOfDirectory(atPath: folder + "/inputs").sorted().first { $0.hasSuffix(".png") })
    let path = folder + "/inputs/" + image
    let options =
      ["--device", "cpu", "--json", "-m", folder + "/model"]
      + (name.hasPrefix("siglip") ? ["--siglip-correction", "off"] : [])
    let result = try run(["explain", path, "--reference-image", path, "-o", "out"] + options)
    let prompt = try #require(reports(result).first?.prompts.first)
    #expect(prompt.prompt == image)
    #expect(abs(try #require(prompt.similarity) - 1) < 1e-5)
  }

  @Test func aReferenceThatCannotBeReadIsNamed() throws {
    let result = try run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "--reference-image", "none.png", "-o", "out"],
      expecting: nil)
    #expect(result.exitCode == 3 && result.errors.contains("none.png"), "\(result.errors)")
  }

  @Test func infoNamesClasses() throws {
    let lines = try run(["model", "info", "-m", Self.family + "/model"]).output
    #expect(lines.contains("7: tabby cat; golden retriever; red fox; …"))
    let encoder = try run(["model", "info", "-m", Fixtures.path("families/xlm-roberta/model")]).output
    #expect(encoder.contains("hf_model_name") && encoder.contains("--text-embeddings"))
  }
}
