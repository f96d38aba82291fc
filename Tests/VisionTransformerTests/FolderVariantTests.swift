import Failures
import Foundation
import SafeTensors
import TestSupport
import Testing

@testable import VisionTransformer

/// Folders as programs and people leave them, against the same model in its plain form.
struct FolderVariantTests {
  private static func expectSame(
    _ checkpoint: Checkpoint, as fixture: String, where isIncluded: (CanonicalTensor) -> Bool = { _ in true },
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try CheckpointTests.golden(fixture)
    for tensor in expected.tensors where isIncluded(tensor) {
      #expect(
        try checkpoint.floats(tensor.name) == expected.floats(tensor.name), "\(tensor.name)",
        sourceLocation: sourceLocation)
    }
  }

  private static func renamed(_ tensor: TensorDescription, _ name: String) -> TensorDescription {
    TensorDescription(name: name, shape: tensor.shape, elementType: tensor.elementType)
  }

  // MARK: Names of tensors

  static let wrappers = ["module.", "_orig_mod.", "clip.", "_orig_mod.module.", "module._orig_mod.clip."]

  @Test(arguments: wrappers, ["clip", "clip-hf", "clip-odd", "siglip"])
  func whatAllNamesBeginWithIsDropped(prefix: String, fixture: String) throws {
    let isOpenCLIP = fixture == "clip" || fixture == "clip-odd"
    let weights = isOpenCLIP ? "open_clip_model.safetensors" : "model.safetensors"
    let folder = try CheckpointFolder()
    for name in isOpenCLIP ? ["open_clip_config.json"] : ["config.json", "preprocessor_config.json"] {
      try folder.link("\(fixture)/model/\(name)", as: name)
    }
    try folder.copyWeights(from: "\(fixture)/model/\(weights)", as: weights) { Self.renamed($0, prefix + $0.name) }
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(try checkpoint.ignoredTensors == CheckpointTests.golden(fixture).ignoredTensors)
    #expect(try checkpoint.parameterCount == CheckpointTests.golden(fixture).parameterCount)
    try Self.expectSame(checkpoint, as: fixture)
  }

  @Test func shardsAreUnwrappedTogether() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    let weights = "clip-hf/model/model.safetensors"
    let isFirst = { (name: String) in name.hasPrefix("text_model.") }
    for (number, first) in [(1, true), (2, false)] {
      try folder.copyWeights(from: weights, as: "model-0000\(number)-of-00002.safetensors") {
        isFirst($0.name) == first ? Self.renamed($0, "module." + $0.name) : nil
      }
    }
    let map = try SafeTensorsFile(path: Fixtures.path(weights)).names.map {
      "\"module.\($0)\":\"model-0000\(isFirst($0) ? 1 : 2)-of-00002.safetensors\""
    }
    try folder.write("{\"weight_map\":{\(map.joined(separator: ","))}}", "model.safetensors.index.json")
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.store.files.count == 2)
    try Self.expectSame(checkpoint, as: "clip-hf")
    #expect(
      try checkpoint.tokenEmbeddingRows(ids: [5]) == CheckpointTests.golden("clip-hf").tokenEmbeddingRows(ids: [5]))
  }

  @Test func aPrefixOfSomeNamesStays() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.copyWeights(from: "clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors") {
      Self.renamed($0, ($0.name == "logit_scale" ? "" : "module.") + $0.name)
    }
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .missingTensor)
  }

  // MARK: Names of files

  @Test(arguments: ["model.fp16.safetensors", "model.bf16.safetensors", "model.non_ema.safetensors"])
  func aVariantIsRead(name: String) throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.link("clip-hf/model/model.safetensors", as: name)
    // What training leaves beside the weights is no model.
    try folder.write("x", "training_args.bin")
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.store.files == [folder.path + "/" + name])
    try folder.link("clip-hf/model/model.safetensors", as: "model.safetensors")
    #expect(try Checkpoint(folder: folder.path).store.files == [folder.path + "/model.safetensors"])
  }

  @Test(arguments: [
    ("model.safetensors.index.fp16.json", "model.fp16-0000%-of-00002.safetensors"),
    ("model.fp16.safetensors.index.json", "model-0000%-of-00002.fp16.safetensors"),
  ])
  func aVariantInShardsIsRead(index: String, shard: String) throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    let weights = "clip-hf/model/model.safetensors"
    let isFirst = { (name: String) in name.hasPrefix("text_model.") }
    for (number, first) in [("1", true), ("2", false)] {
      try folder.copyWeights(from: weights, as: shard.replacing("%", with: number)) {
        isFirst($0.name) == first ? $0 : nil
      }
    }
    let map = try SafeTensorsFile(path: Fixtures.path(weights)).names.map {
      "\"\($0)\":\"\(shard.replacing("%", with: isFirst($0) ? "1" : "2"))\""
    }
    try folder.write("{\"weight_map\":{\(map.joined(separator: ","))}}", index)
    try Self.expectSame(try Checkpoint(folder: folder.path), as: "clip-hf")
    let place = try ModelPlace(folder.path + "/" + index)
    try Self.expectSame(try Checkpoint(folder: place.folder, weights: place.weights), as: "clip-hf")
  }

  @Test func ofSeveralVariantsOneIsNamed() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    for name in ["model.fp16.safetensors", "model.bf16.safetensors"] {
      try folder.link("clip-hf/model/model.safetensors", as: name)
    }
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .severalWeights)
    #expect(error?.found == "\"model.bf16.safetensors\", \"model.fp16.safetensors\"")
    let place = try ModelPlace(folder.path + "/model.fp16.safetensors")
    #expect(
      try Checkpoint(folder: place.folder, weights: place.weights).store.files
        == [folder.path + "/model.fp16.safetensors"])
  }

  // MARK: Configurations

  private static func huggingFace(_ edit: (String) -> String) throws -> CheckpointFolder {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("clip-hf/model/config.json")
    let edited = edit(text)
    try #require(edited != text)
    try folder.write(edited, "config.json")
    try folder.link("clip-hf/model/preprocessor_config.json", as: "preprocessor_config.json")
    try folder.link("clip-hf/model/model.safetensors", as: "model.safetensors")
    return folder
  }

  @Test(arguments: ["NaN", "Infinity", "-Infinity", "[NaN, {\"x\": -Infinity}]"])
  func numbersOfPythonAreReadWhereNothingUsesThem(value: String) throws {
    let folder = try Self.huggingFace {
      $0.replacing("\"projection_dim\": 32", with: "\"projection_dim\": 32, \"max_val\": \(value)")
    }
    #expect(try Checkpoint(folder: folder.path).configuration == CheckpointTests.golden("clip-hf").configuration)
  }

  @Test(arguments: ["NaN", "Infinity", "-Infinity"])
  func numbersOfPythonAreRefusedWhereTheyAreUsed(value: String) throws {
    let width = try Self.huggingFace { $0.replacing("\"projection_dim\": 32", with: "\"projection_dim\": \(value)") }
    let integer = #expect(throws: CheckpointError.self) { try Checkpoint(folder: width.path) }
    #expect(integer?.place == "projection_dim" && integer?.found == value)
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    let text = try CheckpointFolder.fixtureText("clip/model/open_clip_config.json")
    try folder.write(text.replacing("0.26130258", with: value), "open_clip_config.json")
    let number = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(number?.place == "preprocess_cfg.std" && number?.found == value)
  }

  @Test func ofAKeyThatRepeatsTheLastValueCounts() throws {
    let folder = try Self.huggingFace {
      $0.replacing("\"projection_dim\": 32", with: "\"projection_dim\": 31, \"projection_dim\": 32")
    }
    #expect(try Checkpoint(folder: folder.path).configuration == CheckpointTests.golden("clip-hf").configuration)
  }

  @Test func oneNumberIsTheMeanOfAllChannels() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    let text = try CheckpointFolder.fixtureText("clip/model/open_clip_config.json")
    let start = try #require(text.firstRange(of: "\"preprocess_cfg\""))
    try folder.write(
      text[..<start.lowerBound] + "\"preprocess_cfg\": {\"mean\": 0.5, \"std\": 0.25}}", "open_clip_config.json")
    let preprocessing = try Checkpoint(folder: folder.path).configuration.preprocessing
    #expect(preprocessing.mean == [0.5, 0.5, 0.5] && preprocessing.std == [0.25, 0.25, 0.25])
  }

  @Test func anEndOfTextMayBeAList() throws {
    let folder = try Self.huggingFace {
      $0.replacing("\"eos_token_id\": 773", with: "\"eos_token_id\": [773]")
    }
    #expect(try Checkpoint(folder: folder.path).configuration == CheckpointTests.golden("clip-hf").configuration)
  }

  // MARK: How pictures are prepared

  private static func prepared(_ files: [String: String]) throws -> Preprocessing {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.link("clip-hf/model/model.safetensors", as: "model.safetensors")
    for (name, text) in files { try folder.write(text, name) }
    return try Checkpoint(folder: folder.path).configuration.preprocessing
  }

  private static func values(_ mean: Double) -> String {
    "{\"image_mean\": [\(mean), \(mean), \(mean)], \"image_std\": [0.5, 0.5, 0.5]}"
  }

  /// transformers 5.24 takes the newer file where both are there, whichever class reads them.
  @Test func theProcessorsFileGoesBeforeTheOlderOne() throws {
    let (newer, older) = ("processor_config.json", "preprocessor_config.json")
    let section = "{\"image_processor\": \(Self.values(0.25)), \"processor_class\": \"CLIPProcessor\"}"
    #expect(try Self.prepared([newer: section, older: Self.values(0.75)]).mean == [0.25, 0.25, 0.25])
    #expect(try Self.prepared([newer: section]).mean == [0.25, 0.25, 0.25])
    #expect(try Self.prepared([older: Self.values(0.75)]).mean == [0.75, 0.75, 0.75])
    // Older releases wrote the class alone into the newer file.
    let bare = "{\"processor_class\": \"CLIPProcessor\"}"
    #expect(try Self.prepared([newer: bare, older: Self.values(0.75)]).mean == [0.75, 0.75, 0.75])
    #expect(try Self.prepared([newer: bare]).mean == nil)
    #expect(try Self.prepared([:]).mean == nil)
  }

  // MARK: Vision towers alone

  private static func tower(
    _ fixture: String, type: String, keeps: (String) -> Bool, drops prefix: String
  ) throws -> CheckpointFolder {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("\(fixture)/model/config.json")
    let top = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    var vision = try #require(top["vision_config"] as? [String: Any])
    vision["model_type"] = type
    if let width = top["projection_dim"] { vision["projection_dim"] = width }
    try folder.write(
      String(decoding: JSONSerialization.data(withJSONObject: vision), as: UTF8.self), "config.json")
    try folder.link("\(fixture)/model/preprocessor_config.json", as: "preprocessor_config.json")
    try folder.copyWeights(from: "\(fixture)/model/model.safetensors", as: "model.safetensors") { tensor in
      guard keeps(tensor.name) else { return nil }
      return renamed(tensor, tensor.name.hasPrefix(prefix) ? String(tensor.name.dropFirst(prefix.count)) : tensor.name)
    }
    return folder
  }

  /// `CLIPVisionModelWithProjection`; names without `vision_model.` are those of transformers 5.24.
  @Test(arguments: ["", "vision_model."]) func clipsTowerWithItsProjection(prefix: String) throws {
    let folder = try Self.tower(
      "clip-hf", type: "clip_vision_model", keeps: { $0.hasPrefix("vision_model.") || $0.hasPrefix("visual_") },
      drops: prefix)
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.configuration.text == nil && checkpoint.configuration.embeddingWidth == 32)
    #expect(checkpoint.configuration.vision == (try CheckpointTests.golden("clip-hf").configuration.vision))
    try Self.expectSame(checkpoint, as: "clip-hf") { $0.name.hasPrefix("visual.") }
  }

  /// `CLIPVisionModel`, whose embedding is what the projection would read.
  @Test(arguments: ["", "vision_model."]) func clipsTowerWithoutAProjection(prefix: String) throws {
    let folder = try Self.tower(
      "clip-hf", type: "clip_vision_model", keeps: { $0.hasPrefix("vision_model.") }, drops: prefix)
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.configuration.embeddingWidth == 64 && !checkpoint.configuration.vision.hasProjection)
    #expect(!checkpoint.tensors.contains { $0.name == "visual.proj" })
    try Self.expectSame(checkpoint, as: "clip-hf") { $0.name.hasPrefix("visual.") && $0.name != "visual.proj" }
  }

  /// `SiglipVisionModel`.
  @Test(arguments: ["", "vision_model."]) func siglipsTower(prefix: String) throws {
    let folder = try Self.tower(
      "siglip", type: "siglip_vision_model", keeps: { $0.hasPrefix("vision_model.") }, drops: prefix)
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.configuration.text == nil)
    #expect(checkpoint.configuration.vision == (try CheckpointTests.golden("siglip").configuration.vision))
    try Self.expectSame(checkpoint, as: "siglip") { $0.name.hasPrefix("visual.") }
  }

  @Test func aTensorThatATowerAloneDoesNotKnowIsRefused() throws {
    let folder = try Self.tower(
      "clip-hf", type: "clip_vision_model", keeps: { $0.hasPrefix("vision_model.") }, drops: "vision_model.")
    try folder.copyWeights(
      from: "clip-hf/model/model.safetensors", as: "open_clip_model.safetensors",
      adding: [TensorDescription(name: "vision_model.head.norm.weight", shape: [4], elementType: .f32)]
    ) { $0.name.hasPrefix("vision_model.") ? $0 : nil }
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .unsupported && error?.place == "tensor \"vision_model.head.norm.weight\"")
  }

  // MARK: What is no file of a model

  static let leftovers = [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 598\n", "Git LFS pointer", "git lfs pull"),
    (
      "<!doctype html><html><head><title>Access is restricted</title></head></html>",
      "a web page with the title \"Access is restricted\"", "hf auth login"
    ),
    ("\n <html lang=\"en\">", "a web page", "hf download"),
    ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page", "hf download"),
    ("Entry not found", "the text \"Entry not found\"", "hf download"),
    ("Repository Not Found\n", "the text \"Repository Not Found\"", "hf download"),
    ("Access to model acme/clip is restricted", "the text \"Access to model", "accept terms"),
  ]

  @Test(arguments: leftovers, ["open_clip_model.safetensors", "pytorch_model.bin", "open_clip_config.json"])
  func whatLiesInTheirPlaceIsNamed(_ leftover: (text: String, found: String, remedy: String), file: String) throws {
    let folder = try CheckpointFolder()
    if file != "open_clip_config.json" {
      try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    } else {
      try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    }
    try folder.write(leftover.text, file)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.place == "start of file")
    #expect(error?.file == folder.path + "/" + file)
    #expect(error?.found.contains(leftover.found) == true, "\(String(describing: error))")
    #expect(error?.remedy.description.contains(leftover.remedy) == true)
  }

  @Test func aConfigurationThatWasNotFetchedIsNamedWithoutWeightsToo() throws {
    let folder = try CheckpointFolder()
    try folder.write(Self.leftovers[0].0, "open_clip_config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.file == folder.path + "/open_clip_config.json")
    #expect(error?.found.contains("Git LFS pointer") == true)
  }

  @Test func aShardOrAnIndexThatWasNotFetchedIsNamed() throws {
    let pointer = Self.leftovers[0].0
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.write(pointer, "model.safetensors.index.json")
    let index = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(index?.found.contains("Git LFS pointer") == true)
    try folder.write(pointer, "a.safetensors")
    try folder.write("{\"weight_map\": {\"x\": \"a.safetensors\"}}", "model.safetensors.index.json")
    let shard = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(shard?.file == folder.path + "/a.safetensors" && shard?.found.contains("Git LFS pointer") == true)
  }

  @Test func anArchiveUnderTheOtherNameIsNamed() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.write("PK\u{3}\u{4}and more\u{0}", "model.safetensors")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .weights(.notWeights))
    #expect(error?.found == "an archive, such as torch.save writes")
  }
}
