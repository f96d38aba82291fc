import Foundation
import LeGrad
import NpyFiles
import TestSupport
import Testing

@testable import LeGradCLI

/// The command on models with an attention pooler.
@Suite struct PoolerCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private static let siglip = Fixtures.path("siglip/model")
  private static let empty = Fixtures.path("siglip/inputs/empty_embedding.npy")

  private func explain(_ options: [String]) throws -> CommandResult {
    try CommandRunner.run(
      [
        "explain", Fixtures.path("siglip/inputs/image_40x40.png"), "-m", Self.siglip, "--text-embeddings",
        Fixtures.path("siglip/inputs/text_embeddings.npy"), "--layers", "all", "--format", "npy,json", "-o", "out",
        "--device", "cpu",
      ] + options, in: scratch)
  }

  private func heatmaps() throws -> NpyArray<Float> {
    try NpyFile.readFloats(scratch.path("out/image_40x40.heatmaps.npy"))
  }

  private func expected(_ name: String) throws -> NpyArray<Float> {
    try NpyFile.readFloats(Fixtures.path("siglip/expected/40x40/\(name).npy"))
  }

  @Test(arguments: [[], ["--siglip-correction", "on"], ["--siglip-correction", "0.8"]])
  func correctionIsOnByDefault(_ options: [String]) throws {
    expectExit(0, try explain(options + ["--empty-embedding", Self.empty]))
    expectClose(try heatmaps(), try expected("legrad_corrected_heatmap"), relative: 1e-4)
    let report = try scratch.json("out/image_40x40.json")
    let correction = try #require(report["correction"] as? [String: Any])
    #expect(correction["suppressedPatches"] as? Int == 1)
    #expect((report["options"] as? [String: Any])?["readout"] as? String == "pooler")
    // What is written as relevance stays as it was.
    let relevance = try NpyFile.readFloats(scratch.path("out/image_40x40.relevance.npy"))
    expectClose(relevance, try expected("legrad"), relative: 1e-5)
  }

  @Test func correctionCanBeOff() throws {
    expectExit(0, try explain(["--siglip-correction", "off"]))
    expectClose(try heatmaps(), try expected("legrad_uncorrected_heatmap"), relative: 1e-4)
    #expect(try scratch.json("out/image_40x40.json")["correction"] == nil)
  }

  @Test func correctionWithoutAnyTextNamesBothWays() throws {
    let result = try explain([])
    expectExit(3, result, complaint: "--empty-embedding")
    #expect(result.errors.contains("tokenizer") && result.complaints.count == 1)
    #expect(scratch.files(in: "out").isEmpty)
  }

  @Test(arguments: [
    (["--empty-embedding", Fixtures.path("siglip/inputs/text_embeddings.npy")], Int32(3), "expected one row, found 3"),
    (["--empty-embedding", Fixtures.path("coca/inputs/text_embeddings.npy")], 3, "expected 48 columns"),
    (["--empty-embedding", "absent.npy"], 3, "absent.npy"),
    (["--siglip-correction", "1.5"], 2, "--siglip-correction"),
    (["--siglip-correction", "yes"], 2, "--siglip-correction"),
    (["--method", "textspan", "--siglip-correction", "off"], 2, "textspan is not defined"),
    (["--method", "gradcam,lrp", "--siglip-correction", "off"], 2, "raw-attention, rollout, gradcam, chefercam"),
    (["--readout", "cls", "--siglip-correction", "off"], 2, "--readout"),
  ])
  func badRequestsAreRefused(_ options: [String], code: Int32, complaint: String) throws {
    expectExit(code, try explain(options), complaint: complaint)
    #expect(scratch.files(in: "out").isEmpty)
  }

  /// All that are defined, of which LeGrad's maps alone are corrected.
  @Test func allMethodsOfAPooler() throws {
    let result = try explain(["--empty-embedding", Self.empty, "--method", "all", "--format", "npy,json"])
    expectExit(0, result)
    #expect(result.errors.contains("lrp, partial-lrp, textspan left out: not defined for the tower of model"))
    let methods = ["legrad", "raw-attention", "rollout", "gradcam", "chefercam", "chefercam-all"]
    let reports = scratch.files(in: "out").filter { $0.hasSuffix(".json") }
    #expect(Set(reports) == Set(methods.map { "image_40x40.\($0).json" }))
    for method in methods {
      let report = try scratch.json("out/image_40x40.\(method).json")
      #expect((report["correction"] != nil) == (method == "legrad"))
      let relevance = try NpyFile.readFloats(scratch.path("out/image_40x40.\(method).relevance.npy"))
      var answer = try expected(method)
      // The answers of the other methods go on with the negatives of the prompts.
      answer = NpyArray(shape: relevance.shape, values: Array(answer.values.prefix(relevance.values.count)))
      expectClose(relevance, answer, relative: method == "legrad" ? 1e-5 : 1e-4)
    }
  }

  @Test func cocaExplainsWords() throws {
    let result = try CommandRunner.run(
      [
        "explain", Fixtures.path("coca/inputs/image_32x32.png"), "-m", Fixtures.path("coca/model"), "--layers", "all",
        "--format", "npy", "-o", "out", "--siglip-correction", "on",
      ] + GoldenCommand.promptArguments, in: scratch)
    expectExit(0, result)
    #expect(result.errors.contains("note: --siglip-correction is for SigLIP models"))
    expectClose(
      try NpyFile.readFloats(scratch.path("out/image_32x32.heatmaps.npy")),
      try NpyFile.readFloats(Fixtures.path("coca/expected/32x32/legrad_heatmap.npy")), relative: 1e-4)
  }

  @Test(arguments: [
    ("siglip", "an attention pooler with an MLP (SigLIP)", "SentencePiece unigrams, 176 ids"),
    ("coca", "an attention pooler of 8 queries and 4 heads (CoCa)", "CLIP byte pairs, 774 ids"),
  ])
  func modelsSayHowTheyPool(_ name: String, pooling: String, tokenizer: String) throws {
    let folder = try scratch.copy("\(name)/model", to: "model")
    if name == "siglip" {
      // A vocabulary of another size than the text tower's is refused.
      try scratch.copy("tokenizer-unigram/spiece.model", to: "model/spiece.model")
    }
    let result = try CommandRunner.run(["model", "info", "-m", folder], in: scratch)
    expectExit(0, result)
    #expect(result.output.contains(pooling))
    if name == "siglip" {
      #expect(result.output.contains("has 176 ids, the text tower 120 rows"))
    } else {
      #expect(result.output.contains(tokenizer))
    }
  }

  @Test func everyArchitectureIsKnown() throws {
    let result = try CommandRunner.run(["model", "random", "--help"], in: scratch)
    for name in ["ViT-B-16-SigLIP", "coca_ViT-B-32", "coca_ViT-L-14"] { #expect(result.output.contains(name)) }
  }
}
