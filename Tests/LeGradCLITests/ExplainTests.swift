import Foundation
import ImageFiles
import NpyFiles
import TestSupport
import Testing

@Suite struct ExplainTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explain(
    _ images: [String], _ options: [String] = [], environment: [String: String] = [:]
  ) throws -> CommandResult {
    try CommandRunner.run(
      ["explain"] + images + ["-m", GoldenCommand.model] + options, in: scratch, environment: environment)
  }

  private func floats(_ name: String) throws -> NpyArray<Float> { try NpyFile.readFloats(scratch.path(name)) }

  /// The CPU, and the OpenCL device where there is one.
  private static let devices = TestDevice.first == nil ? ["cpu"] : ["cpu", "opencl"]

  @Test(arguments: devices, [(height: 32, width: 32), (48, 48), (32, 56)])
  func arraysEqualTheGoldenAnswers(_ device: String, _ input: (height: Int, width: Int)) throws {
    let (height, width) = input
    let size = "\(height)x\(width)"
    let image = Fixtures.path("clip/inputs/image_\(size).png")
    let result = try explain(
      [image],
      GoldenCommand.promptArguments
        + [
          "--layers", "all", "--size", "\(width)x\(height)", "--format", "npy", "--per-layer", "-o", "out", "--json",
          "--device", device,
        ],
      // The folder in which drivers and the backend keep what they built.
      environment: ["HOME": NSHomeDirectory()])
    expectExit(0, result)
    let report = try #require((try result.json() as? [[String: Any]])?.first?["device"] as? [String: Any])
    #expect((report["name"] as? String)?.contains("OpenCL") == (device == "opencl"), "\(report)")
    let stem = "out/image_\(size)"
    #expect(
      scratch.files(in: "out") == [
        "image_\(size).heatmaps.npy", "image_\(size).layers.npy", "image_\(size).relevance.npy",
      ])
    expectClose(try floats("\(stem).relevance.npy"), try GoldenCommand.expected("\(size)/legrad"), relative: 1e-5)
    let heatmaps = try floats("\(stem).heatmaps.npy")
    #expect(heatmaps.shape == [3, height, width])
    if height == width { expectClose(heatmaps, try GoldenCommand.expected("\(size)/legrad_heatmap"), relative: 1e-4) }
    let layers = try floats("\(stem).layers.npy")
    #expect(layers.shape == [4, 3, height / 8, width / 8])
    if size == "32x32" { expectClose(layers, try GoldenCommand.expected("32x32/legrad_layers"), relative: 1e-5) }
  }

  @Test(arguments: ["clip-hf", "clip-hf-sharded"])
  func layoutsAgree(_ layout: String) throws {
    let result = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-m", Fixtures.path("\(layout)/model"), "--layers", "all", "--format", "npy"]
        + GoldenCommand.promptArguments, in: scratch)
    expectExit(0, result)
    expectClose(
      try floats("legrad-out/image_32x32.relevance.npy"), try GoldenCommand.expected("32x32/legrad"), relative: 1e-5)
  }

  @Test(arguments: [("last:2", 2...3), ("1..2", 1...2), ("3..3", 3...3), ("last:4", 0...3)])
  func chosenLayersAreSummed(_ layers: String, blocks: ClosedRange<Int>) throws {
    expectExit(
      0, try explain([GoldenCommand.image], GoldenCommand.promptArguments + ["--layers", layers, "--format", "npy"]))
    let all = try GoldenCommand.expected("32x32/legrad_layers")
    let count = all.values.count / 4
    let sum = (0..<count).map { index in blocks.reduce(Float(0)) { $0 + all.values[$1 * count + index] } }
    expectClose(
      try floats("legrad-out/image_32x32.relevance.npy"), NpyArray(shape: Array(all.shape.dropFirst()), values: sum),
      relative: 1e-5)
  }

  @Test func severalMethodsHaveFilesOfTheirOwn() throws {
    let methods = ["legrad", "gradcam", "rollout", "lrp", "textspan"]
    let result = try explain(
      [GoldenCommand.image],
      GoldenCommand.promptArguments
        + ["--method", methods.joined(separator: ","), "--layers", "all", "--format", "npy,json", "--per-layer"])
    expectExit(0, result)
    #expect(
      result.errors.contains("--layers is for legrad; gradcam, rollout, lrp, textspan use the blocks of"))
    let kinds = ["heatmaps.npy", "json", "relevance.npy"]
    let names = methods.flatMap { method in
      (kinds + (method == "legrad" ? ["layers.npy"] : [])).map { "image_32x32.\(method).\($0)" }
    }
    #expect(scratch.files(in: "legrad-out") == names.sorted())
    for method in methods {
      let relevance = try floats("legrad-out/image_32x32.\(method).relevance.npy")
      expectClose(relevance, try GoldenCommand.expected("32x32/\(method)"), relative: 1e-4)
      #expect(relevance.shape == (method == "lrp" ? [3, 32, 32] : [3, 4, 4]))
      let report = try scratch.json("legrad-out/image_32x32.\(method).json")
      #expect(report["method"] as? String == method)
      #expect(report["precision"] as? String == (method == "lrp" ? "float64" : "f32"))
    }
  }

  @Test func theReadoutIsTheClassToken() throws {
    let result = try explain(
      [GoldenCommand.image],
      GoldenCommand.promptArguments + ["--readout", "cls", "--layers", "all", "--format", "npy"])
    expectExit(0, result)
    expectClose(
      try floats("legrad-out/image_32x32.relevance.npy"), try GoldenCommand.expected("32x32/legrad-cls"),
      relative: 1e-5)
  }

  @Test func picturesAndReport() throws {
    try scratch.copy("preprocess/photo.jpg", to: "photo.jpg")
    let result = try explain(["photo.jpg"], GoldenCommand.promptArguments + ["-o", "a/b"])
    expectExit(0, result)
    #expect(result.errors.hasPrefix("note: device: "))
    let overlays = (0..<3).map { "photo.overlay.\($0).png" }
    let heatmaps = (0..<3).map { "photo.heatmap.\($0).png" }
    #expect(scratch.files(in: "a/b") == heatmaps + ["photo.json"] + overlays)

    let original = try RGBImage.decode(path: scratch.path("photo.jpg")).image
    for name in overlays {
      let overlay = try RGBImage.decode(path: scratch.path("a/b/\(name)")).image
      #expect((overlay.width, overlay.height) == (original.width, original.height))
    }
    for name in heatmaps {
      let heatmap = try RGBImage.decode(path: scratch.path("a/b/\(name)")).image
      #expect((heatmap.width, heatmap.height) == (32, 32))
    }
    let report = try scratch.json("a/b/photo.json")
    let prompts = try #require(report["prompts"] as? [[String: Any]])
    #expect(prompts.compactMap { $0["prompt"] as? String } == GoldenCommand.prompts)
    for prompt in prompts {
      #expect(abs(try #require(prompt["similarity"] as? Double)) <= 1)
      #expect(prompt["flat"] as? Bool == false)
      let maximum = try #require(prompt["maximum"] as? [String: Int])
      #expect((0..<original.width).contains(try #require(maximum["x"])))
      #expect((0..<original.height).contains(try #require(maximum["y"])))
    }
    #expect(report["layers"] as? [Int] == [2, 3])
    #expect(report["method"] as? String == "legrad")
    #expect(report["precision"] as? String == "f32")
    #expect(report["resize"] as? String == "squash")
    #expect(report["inputSize"] as? [String: Int] == ["width": 32, "height": 32])
    #expect(report["grid"] as? [String: Int] == ["width": 4, "height": 4])
    #expect(
      report["region"] as? [String: Int]
        == ["x": 0, "y": 0, "width": original.width, "height": original.height])
    #expect((report["version"] as? String)?.isEmpty == false)
    #expect(((report["device"] as? [String: Any])?["name"] as? String)?.isEmpty == false)
    let files = try #require(report["files"] as? [String: Any])
    #expect(files["overlays"] as? [String] == overlays)
    #expect(files["heatmaps"] as? [String] == heatmaps)
    #expect(files["report"] as? String == "photo.json")
    let timings = try #require(report["timings"] as? [String: Double])
    #expect(Set(timings.keys) == ["decodeSeconds", "prepareSeconds", "explainSeconds", "writeSeconds"])
    #expect(result.output.contains("two red circles"))
  }

  @Test func similarityIsTheCosineOfTheEmbeddings() throws {
    expectExit(0, try explain([GoldenCommand.image], GoldenCommand.promptArguments))
    let image = try NpyFile.readFloats(Fixtures.path("clip/expected/image_embedding.npy")).values
    let text = try NpyFile.readFloats(Fixtures.path("clip/inputs/text_embeddings.npy")).values
    let prompts = try #require(try scratch.json("legrad-out/image_32x32.json")["prompts"] as? [[String: Any]])
    let norm = image.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for (index, prompt) in prompts.enumerated() {
      let cosine = zip(text[index * 32..<(index + 1) * 32], image).reduce(Float(0)) { $0 + $1.0 * $1.1 } / norm
      #expect(abs(try #require(prompt["similarity"] as? Double) - Double(cosine)) < 1e-5)
    }
  }

  @Test func reportNamesTheHashOfTheWeightFile() throws {
    expectExit(0, try explain([GoldenCommand.image], ["-p", "x", "--json"]))
    let model = try #require(try scratch.json("legrad-out/image_32x32.json")["model"] as? [String: Any])
    // sha256sum of the fixture's open_clip_model.safetensors.
    #expect(model["hash"] as? String == Self.goldenHash)
    #expect(model["name"] as? String == "model")
  }

  private static let goldenHash = "e3a671485aaa9cb9fdda260a71ecd78c32837fd89c5caa13bcbc06912dfabc5f"

  @Test func embeddingsInPlaceOfPromptsGiveTheSame() throws {
    expectExit(
      0, try explain([GoldenCommand.image], GoldenCommand.promptArguments + ["--format", "npy,json", "-o", "words"]))
    let rows = Fixtures.path("clip/inputs/text_embeddings.npy")
    expectExit(
      0, try explain([GoldenCommand.image], ["--text-embeddings", rows, "--format", "npy,json", "-o", "rows"]))
    expectClose(
      try floats("rows/image_32x32.heatmaps.npy"), try floats("words/image_32x32.heatmaps.npy"), relative: 1e-4)
    let prompts = try #require(try scratch.json("rows/image_32x32.json")["prompts"] as? [[String: Any]])
    #expect(prompts.compactMap { $0["prompt"] as? String } == ["embedding 0", "embedding 1", "embedding 2"])
  }

  @Test func promptsOfAFileFollowThoseOfTheCommandLine() throws {
    try scratch.write("two red circles\r\nthe sky\n", to: "prompts.txt")
    expectExit(
      0,
      try explain(
        [GoldenCommand.image],
        ["--prompts-file", "prompts.txt", "-p", "a photo of a cat", "--format", "npy", "--layers", "all"]))
    expectClose(
      try floats("legrad-out/image_32x32.relevance.npy"), try GoldenCommand.expected("32x32/legrad"), relative: 1e-5)
  }

  @Test func standardOutputIsOneJSONArray() throws {
    try scratch.write("not an image", to: "bad.png")
    let result = try explain(
      [GoldenCommand.image, "bad.png", Fixtures.path("clip/inputs/image_48x48.png")], ["-p", "x", "--json"])
    expectExit(1, result, complaint: "bad.png")
    let array = try #require(try result.json() as? [[String: Any]])
    #expect(array.count == 3)
    #expect(array[0]["image"] as? String == GoldenCommand.image)
    #expect((array[1]["error"] as? String)?.contains("expected PNG, JPEG, WebP") == true)
    #expect(array[2]["prompts"] != nil)
  }

  @Test(arguments: [1, 2, 3, 7])
  func batchesDoNotChangeABit(_ batchSize: Int) throws {
    let images = try (0..<5).map {
      try scratch.copy(
        "preprocess/\(["photo.png", "tall.png", "wide.png", "grey.png", "small.png"][$0])", to: "\($0).png")
    }
    expectExit(
      0, try explain(images, ["-p", "the sky", "--format", "npy", "--batch-size", "\(batchSize)", "-o", "batched"]))
    for (index, image) in images.enumerated() {
      expectExit(0, try explain([image], ["-p", "the sky", "--format", "npy", "--batch-size", "1", "-o", "single"]))
      #expect(try scratch.bytes("batched/\(index).relevance.npy") == scratch.bytes("single/\(index).relevance.npy"))
    }
  }

  @Test func fitGroupsImagesOfOneSize() throws {
    let names = ["photo.png", "tall.png", "wide.png"]
    for name in names { try scratch.copy("preprocess/\(name)", to: name) }
    let result = try explain(names, ["-p", "x", "--resize", "fit", "--format", "npy,json"])
    expectExit(0, result)
    for name in names {
      let stem = name.dropLast(4)
      let image = try RGBImage.decode(path: scratch.path(name)).image
      let shape = try floats("legrad-out/\(stem).heatmaps.npy").shape
      #expect(shape.dropFirst().max() == 32)
      #expect((shape[1] >= shape[2]) == (image.height >= image.width) || shape[1] == shape[2])
      let region = try scratch.json("legrad-out/\(stem).json")["region"] as? [String: Int]
      #expect(region == ["x": 0, "y": 0, "width": image.width, "height": image.height])
    }
  }

  @Test func cropSeesTheMiddle() throws {
    try scratch.copy("preprocess/wide.png", to: "wide.png")
    expectExit(0, try explain(["wide.png"], ["-p", "x", "--resize", "crop"]))
    let image = try RGBImage.decode(path: scratch.path("wide.png")).image
    let region = try #require(try scratch.json("legrad-out/wide.json")["region"] as? [String: Int])
    #expect(region["height"] == image.height)
    #expect(abs(try #require(region["width"]) - image.height) <= 1)
    #expect(abs(try #require(region["x"]) - (image.width - image.height) / 2) <= 1)
  }

  @Test(arguments: 1...8)
  func orientationIsAppliedAndSaid(_ orientation: Int) throws {
    try scratch.copy("images/orientation-\(orientation).jpg", to: "turned.jpg")
    let result = try explain(["turned.jpg"], ["-p", "x"])
    expectExit(0, result)
    let isTurned = orientation != 1
    #expect(result.errors.contains("EXIF orientation \(orientation)") == isTurned)
    let report = try scratch.json("legrad-out/turned.json")
    let said = try #require(report["orientation"] as? [String: Any])
    #expect(said["stored"] as? Int == orientation)
    #expect(said["applied"] as? Bool == isTurned)
    let upright = try RGBImage.decode(path: scratch.path("turned.jpg"), applyOrientation: true).image
    let overlay = try RGBImage.decode(path: scratch.path("legrad-out/turned.overlay.0.png")).image
    #expect((overlay.width, overlay.height) == (upright.width, upright.height))
  }

  @Test func anOddFileIsReadAndRemarked() throws {
    try scratch.copy("images/color-444.jpg", to: "intact.jpg")
    let bytes = try scratch.bytes("intact.jpg")
    try scratch.write(Array(bytes.dropLast(2) + Array(repeating: 0, count: 99) + bytes.suffix(2)), to: "odd.jpg")
    let result = try explain(["intact.jpg", "odd.jpg"], ["-p", "x"])
    expectExit(0, result)
    #expect(result.errors.contains("odd.jpg: every pixel was read, though the file breaks its format's rules: "))
    #expect(!result.errors.contains("intact.jpg: every pixel"))
    let (intact, odd) = (try scratch.json("legrad-out/intact.json"), try scratch.json("legrad-out/odd.json"))
    #expect(intact["decodingRemark"] == nil)
    #expect((odd["decodingRemark"] as? String)?.contains("extraneous bytes") == true)
    let heatmap = "heatmap.0.png"
    #expect(try scratch.bytes("legrad-out/odd.\(heatmap)") == scratch.bytes("legrad-out/intact.\(heatmap)"))
  }

  @Test func statisticsOfTheCommandLineReplaceTheFolders() throws {
    let other = ["--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]
    let same = ["--mean", "0.48145466,0.4578275,0.40821073", "--std", "0.26862954,0.26130258,0.27577711"]
    for (folder, options) in [("plain", []), ("same", same), ("other", other)] {
      expectExit(0, try explain([GoldenCommand.image], ["-p", "x", "--format", "npy", "-o", folder] + options))
    }
    let plain = try scratch.bytes("plain/image_32x32.relevance.npy")
    #expect(try scratch.bytes("same/image_32x32.relevance.npy") == plain)
    #expect(try scratch.bytes("other/image_32x32.relevance.npy") != plain)
  }

  @Test func missingStatisticsAreAskedFor() throws {
    let folder = try MalformedModel(in: scratch)
    try folder.editConfiguration { $0.replacingOccurrences(of: "\"preprocess_cfg\"", with: "\"unused\"") }
    let without = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-p", "x", "-m", folder.path], in: scratch)
    expectExit(3, without, complaint: "--mean R,G,B and --std R,G,B")
    #expect(scratch.files(in: "legrad-out").isEmpty)
    let with = try CommandRunner.run(
      [
        "explain", GoldenCommand.image, "-p", "x", "-m", folder.path, "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5",
      ], in: scratch)
    expectExit(0, with)
  }

  @Test(arguments: ["f16", "bf16", "auto"])
  func precisionIsSaid(_ precision: String) throws {
    expectExit(
      0,
      try explain(
        [GoldenCommand.image],
        GoldenCommand.promptArguments + ["--precision", precision, "--format", "npy,json", "--layers", "all"]))
    let said = try #require(try scratch.json("legrad-out/image_32x32.json")["precision"] as? String)
    #expect(precision == "auto" ? ["f32", "f16", "bf16"].contains(said) : said == precision)
    let tolerance: Float = said == "f16" ? 3e-3 : said == "bf16" ? 2e-2 : 1e-4
    expectClose(
      try floats("legrad-out/image_32x32.heatmaps.npy"), try GoldenCommand.expected("32x32/legrad_heatmap"),
      relative: tolerance)
  }

  @Test func colormapAndAlphaChangeThePicture() throws {
    let variants = [
      "viridis": [], "jet": ["--colormap", "jet"], "turbo": ["--colormap", "turbo"], "clear": ["--alpha", "0"],
    ]
    for (folder, options) in variants {
      expectExit(0, try explain([GoldenCommand.image], ["-p", "x", "-o", folder] + options))
    }
    let pictures = try variants.keys.map { try scratch.bytes("\($0)/image_32x32.overlay.0.png") }
    #expect(Set(pictures).count == variants.count)
    let clear = try RGBImage.decode(path: scratch.path("clear/image_32x32.overlay.0.png")).image
    #expect(clear == (try RGBImage.decode(path: GoldenCommand.image).image))
  }

  @Test func theBundledModelIsTheDefaultAndSaysSo() throws {
    let result = try CommandRunner.run(["explain", GoldenCommand.image, "-p", "a red circle"], in: scratch)
    expectExit(0, result)
    #expect(result.errors.contains("note: no -m given: using 'demo'"))
    let model = try #require(try scratch.json("legrad-out/image_32x32.json")["model"] as? [String: Any])
    #expect(model["name"] as? String == "demo")
  }

  @Test func aFlatMapIsSaid() throws {
    let folder = try MalformedModel(in: scratch)
    // Without values there is no gradient at any attention map.
    for layer in 0..<4 { try folder.zero("visual.transformer.resblocks.\(layer).attn.in_proj_weight") }
    for layer in 0..<4 { try folder.zero("visual.transformer.resblocks.\(layer).attn.in_proj_bias") }
    let result = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-p", "x", "-m", folder.path, "--format", "npy,json,png"], in: scratch)
    expectExit(0, result)
    #expect(result.errors.contains("the map of \"x\" is flat"))
    let both = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-p", "x", "-m", folder.path, "--method", "legrad,chefercam", "-o", "both"],
      in: scratch)
    expectExit(0, both)
    for method in ["legrad", "chefercam"] {
      #expect(both.errors.contains("the map of \"x\" by \(method) is flat"), "\(both.errors)")
    }
    #expect(try floats("legrad-out/image_32x32.heatmaps.npy").values.allSatisfy { $0 == 0 })
    let prompts = try #require(try scratch.json("legrad-out/image_32x32.json")["prompts"] as? [[String: Any]])
    #expect(prompts[0]["flat"] as? Bool == true)
    #expect(prompts[0]["maximum"] == nil)
  }
}
