import Compute
import Failures
import FoundationEssentials
import SafeTensors
import Testing
import TorchFiles

@testable import VisionTransformer

struct CheckpointTests {
  static func golden(_ name: String, mapped: Bool = true) throws -> Checkpoint {
    try Checkpoint(folder: CheckpointFolder.fixture(name + "/model"), mapped: mapped)
  }

  @Test func everyLayoutGivesTheSameTensors() throws {
    let reference = try Self.golden("clip")
    #expect(reference.configuration.layout == .openCLIP)
    #expect(reference.parameterCount == 311_777)
    for (name, mapped) in [("clip-hf", true), ("clip-hf-sharded", true), ("clip", false), ("clip-hf-sharded", false)] {
      let other = try Self.golden(name, mapped: mapped)
      #expect(other.tensors == reference.tensors)
      for tensor in reference.tensors {
        let values = try other.floats(tensor.name)
        #expect(values.count == tensor.elementCount)
        #expect(try values == reference.floats(tensor.name), "\(name) \(tensor.name)")
      }
      #expect(
        try other.tokenEmbeddingRows(ids: [772, 3, 0, 773]) == reference.tokenEmbeddingRows(ids: [772, 3, 0, 773]))
      #expect(other.parameterCount == 311_777)
      #expect(other.storageTypes == [.f32: 311_777])
      #expect(other.ignoredTensors == [])
    }
  }

  /// What is read in place has the bits of what is read by value, in every layout; what is not stored as the towers want
  /// it is not read in place.
  @Test func tensorsAreReadWhereTheyLie() throws {
    for (name, minimum) in [("clip", 20), ("clip-hf", 20), ("clip-hf-sharded", 20), ("clip-odd", 20)] {
      let checkpoint = try Self.golden(name)
      var count = 0
      for tensor in checkpoint.tensors {
        guard let stored = checkpoint.stored(tensor.name) else { continue }
        count += 1
        var values: [Float] = []
        for part in stored.parts {
          let start = unsafe try #require(unsafe part.bringIn())
          let bytes = unsafe UnsafeRawBufferPointer(start: start, count: part.count)
          for first in stride(from: 0, to: part.count, by: stored.type.bytes) {
            switch stored.type {
            case .f32: values.append(unsafe bytes.loadUnaligned(fromByteOffset: first, as: Float.self))
            case .f16: values.append(Float(unsafe bytes.loadUnaligned(fromByteOffset: first, as: Float16.self)))
            case .bf16:
              let bits = unsafe bytes.loadUnaligned(fromByteOffset: first, as: UInt16.self)
              values.append(Float(bitPattern: UInt32(bits) << 16))
            case .bf16Split: Issue.record("no file has elements in two parts")
            }
          }
          part.letGo()
        }
        #expect(try values == checkpoint.floats(tensor.name), "\(name) \(tensor.name)")
      }
      #expect(count >= minimum)
      #expect(checkpoint.stored("absent")?.parts.count == nil)
    }
    #expect(try Self.golden("clip").stored("visual.proj")?.parts.count == nil)
    let scaled = "visual.transformer.resblocks.0.attn.out_proj.weight"
    #expect(try Self.golden("clip-odd").stored(scaled)?.parts.count == nil)
    #expect(try Self.golden("clip", mapped: false).stored("visual.conv1.weight")?.parts.count == nil)
    let fused = "visual.transformer.resblocks.1.attn.in_proj_weight"
    #expect(try Self.golden("clip").stored(fused)?.parts.count == 1)
    #expect(try Self.golden("clip-hf-sharded").stored(fused)?.parts.count == 3)
  }

  @Test func configurationsAreRead() throws {
    let openCLIP = try Self.golden("clip").configuration
    var expected = ModelConfiguration(
      embeddingWidth: 32,
      vision: VisionConfiguration(
        layers: 4, width: 64, heads: 4, mlpWidth: 256, patchSize: 8, imageHeight: 32, imageWidth: 32),
      text: TextConfiguration(
        contextLength: 16, vocabularySize: 774, width: 48, heads: 3, layers: 2, mlpWidth: 192),
      preprocessing: .openAI)
    #expect(openCLIP == expected)
    #expect(openCLIP.vision.headWidth == 16 && openCLIP.vision.tokens == 17)
    expected.layout = .huggingFace
    expected.text?.pooling = .firstEOT(773)
    expected.preprocessing.cropsAtFloor = true
    #expect(try Self.golden("clip-hf").configuration == expected)
    #expect(try Self.golden("clip-hf-sharded").configuration == expected)
    let odd = try Self.golden("clip-odd").configuration
    #expect(odd.vision.mlpWidth == 295 && odd.vision.heads == 3 && odd.vision.headWidth == 20)
    #expect(odd.vision.activation == .quickGELU && odd.text?.activation == .quickGELU)
  }

  @Test func projectionsAreRowsOfTheEmbedding() throws {
    let checkpoint = try Self.golden("clip")
    let file = try SafeTensorsFile(path: CheckpointFolder.fixture("clip/model/open_clip_model.safetensors"))
    for (name, width) in [("visual.proj", 64), ("text_projection", 48)] {
      let stored = try file.floats(name, shape: [width, 32])
      let values = try checkpoint.floats(name)
      #expect(checkpoint.tensors.first { $0.name == name }?.shape == [32, width])
      for row in 0..<32 {
        for column in 0..<width { #expect(values[row * width + column] == stored[column * 32 + row]) }
      }
    }
  }

  @Test func layerScaleIsMultipliedIn() throws {
    let checkpoint = try Self.golden("clip-odd")
    let file = try SafeTensorsFile(path: CheckpointFolder.fixture("clip-odd/model/open_clip_model.safetensors"))
    #expect(checkpoint.ignoredTensors == [])
    #expect(checkpoint.storageTypes[.f32] == 1)
    #expect(checkpoint.parameterCount == file.tensors.reduce(0) { $0 + ($1.elementCount ?? 0) })
    for layer in [0, 5] {
      let block = "visual.transformer.resblocks.\(layer)."
      for (gamma, target, columns) in [("ls_1.gamma", "attn.out_proj", 60), ("ls_2.gamma", "mlp.c_proj", 295)] {
        let factors = try file.floats(block + gamma, shape: [60])
        let weight = try file.floats(block + target + ".weight", shape: [60, columns])
        let bias = try file.floats(block + target + ".bias", shape: [60])
        #expect(
          try checkpoint.floats(block + target + ".weight")
            == weight.enumerated().map { $0.element * factors[$0.offset / columns] })
        #expect(try checkpoint.floats(block + target + ".bias") == zip(bias, factors).map { $0 * $1 })
        #expect(factors.contains { $0 != 1 })
      }
      #expect(
        try checkpoint.floats(block + "mlp.c_fc.bias") == file.floats(block + "mlp.c_fc.bias", shape: [295]))
    }
  }

  @Test func theHashIsThatOfTheFile() throws {
    #expect(
      try Self.golden("clip").fileHash() == "e3a671485aaa9cb9fdda260a71ecd78c32837fd89c5caa13bcbc06912dfabc5f")
    #expect(
      try Self.golden("clip-hf-sharded").fileHash()
        == "314c673798fd0c8a2e70d79ffe542e8157985753ef1c4027c053aaaac3f2271f")
  }

  @Test func unusedTensorsAreListed() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.copyWeights(
      from: "clip/model/open_clip_model.safetensors", as: "open_clip_pytorch_model.safetensors",
      adding: [
        TensorDescription(name: "text_decoder.resblocks.0.ln_1.weight", shape: [3], elementType: .f16),
        TensorDescription(name: "attn_mask", shape: [2, 2], elementType: .f32),
      ])
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.ignoredTensors == ["attn_mask", "text_decoder.resblocks.0.ln_1.weight"])
    #expect(checkpoint.parameterCount == 311_777)
  }

  /// Names of marks, which Swift's strings compare and hash in the square of their length: one of these took minutes.
  @Test(arguments: ["", "vision_model."]) func namesOfMarksAreBytes(prefix: String) throws {
    let marks = String(String.UnicodeScalarView((0..<500_000).map { $0.isMultiple(of: 2) ? "\u{301}" : "\u{316}" }))
    let folder = try CheckpointFolder()
    for file in ["config.json", "preprocessor_config.json"] { try folder.link("clip-hf/model/" + file, as: file) }
    try folder.copyWeights(
      from: "clip-hf/model/model.safetensors", as: "model.safetensors",
      adding: ["a", "b"].map { TensorDescription(name: prefix + $0 + marks, shape: [1], elementType: .f32) })
    guard !prefix.isEmpty else {
      #expect(try Checkpoint(folder: folder.path).ignoredTensors.map(\.utf8.count) == [1_000_001, 1_000_001])
      return
    }
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .unsupported)
  }

  @Test func aScalarMayHaveOneDimension() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.copyWeights(from: "clip/model/open_clip_model.safetensors", as: "model.safetensors") { tensor in
      tensor.name == "logit_scale" ? TensorDescription(name: tensor.name, shape: [1], elementType: .f32) : tensor
    }
    #expect(
      try Checkpoint(folder: folder.path).floats("logit_scale") == Self.golden("clip").floats("logit_scale"))
  }

  @Test func theTensorsDecideTheLayout() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.link("clip-hf/model/preprocessor_config.json", as: "preprocessor_config.json")
    try folder.link("clip-hf/model/model.safetensors", as: "model.safetensors")
    #expect(try Checkpoint(folder: folder.path).configuration.layout == .huggingFace)
    try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    #expect(try Checkpoint(folder: folder.path).configuration.layout == .openCLIP)
  }

  @Test func aVisionTowerAloneIsEnough() throws {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("clip/model/open_clip_config.json")
    let start = try #require(text.firstRange(of: ",\n  \"text_cfg\""))
    let end = try #require(text.firstRange(of: "\n },\n \"preprocess_cfg\""))
    try folder.write(String(text[..<start.lowerBound] + text[end.lowerBound...]), "open_clip_config.json")
    try folder.copyWeights(from: "clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors") {
      $0.name.hasPrefix("visual.") ? $0 : nil
    }
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.configuration.text == nil)
    #expect(try checkpoint.floats("visual.proj") == Self.golden("clip").floats("visual.proj"))
    let error = #expect(throws: CheckpointError.self) { try checkpoint.tokenEmbeddingRows(ids: [0]) }
    #expect(error?.rule == .unknownTensor)
  }

  struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: CheckpointRule
    let place: String
    let found: String
    let change: @Sendable (TensorDescription) -> TensorDescription?
  }

  static let damages = [
    Damage(
      testDescription: "missing tensor", kind: .missingTensor, place: "tensor \"visual.ln_post.bias\"",
      found: "no such tensor, nearest is \"visual.ln_post.biaz\""
    ) { tensor in
      tensor.name == "visual.ln_post.bias"
        ? TensorDescription(name: "visual.ln_post.biaz", shape: tensor.shape, elementType: .f32) : tensor
    },
    Damage(
      testDescription: "missing text tensor", kind: .missingTensor, place: "tensor \"text_projection\"",
      found: "no such tensor, nearest is"
    ) { $0.name == "text_projection" ? nil : $0 },
    Damage(
      testDescription: "stored the other way round", kind: .tensorShape, place: "tensor \"visual.proj\"",
      found: "[32, 64]"
    ) { tensor in
      tensor.name == "visual.proj"
        ? TensorDescription(name: tensor.name, shape: [32, 64], elementType: .f32) : tensor
    },
    Damage(
      testDescription: "fewer positions", kind: .tensorShape, place: "tensor \"visual.positional_embedding\"",
      found: "[16, 64]"
    ) { tensor in
      tensor.name == "visual.positional_embedding"
        ? TensorDescription(name: tensor.name, shape: [16, 64], elementType: .f32) : tensor
    },
  ]

  @Test(arguments: damages) func weightsThatDoNotFitAreNamed(_ damage: Damage) throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.copyWeights(
      from: "clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors", change: damage.change)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == damage.kind)
    #expect(error?.place == damage.place)
    #expect(error?.found.hasPrefix(damage.found) == true, "\(String(describing: error))")
  }

  @Test func layerScaleThatIsDeclaredOrBegunMustBeWhole() throws {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("clip/model/open_clip_config.json")
    try folder.write(
      text.replacing("\"patch_size\": 8", with: "\"patch_size\": 8, \"ls_init_value\": 0.1"), "open_clip_config.json")
    try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    let declared = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(declared?.place == "tensor \"visual.transformer.resblocks.0.ls_1.gamma\"")
    let begun = try CheckpointFolder()
    try begun.write(text, "open_clip_config.json")
    try begun.copyWeights(
      from: "clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors",
      adding: [
        TensorDescription(name: "visual.transformer.resblocks.0.ls_1.gamma", shape: [64], elementType: .f32)
      ])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: begun.path) }
    #expect(error?.rule == .missingTensor)
    #expect(error?.place == "tensor \"visual.transformer.resblocks.0.ls_2.gamma\"")
  }

  @Test func requestsOutsideTheModelAreRefused() throws {
    let checkpoint = try Self.golden("clip")
    let kind = { (body: () throws -> [Float]) in #expect(throws: CheckpointError.self) { _ = try body() }?.rule }
    #expect(kind { try checkpoint.floats("visual.trunk.norm.weight") } == .unknownTensor)
    #expect(kind { try checkpoint.tokenEmbeddingRows(ids: [774]) } == .tokenID)
    #expect(kind { try checkpoint.tokenEmbeddingRows(ids: [-1]) } == .tokenID)
    #expect(try checkpoint.tokenEmbeddingRows(ids: []) == [])
  }

  @Test func foldersThatAreNoModelAreRefused() throws {
    let folder = try CheckpointFolder()
    let kind = { #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }?.rule }
    #expect(kind() == .missingFile)
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    #expect(kind() == .weights(.noWeights))
    try folder.write("", "open_clip_pytorch_model.bin")
    #expect(kind() == .torchWeights(.notTorch))
    try folder.write("", "model.safetensors")
    #expect(kind() == .weights(.tooShort))
    let absent = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path + "/absent") }
    #expect(absent?.rule == .missingFile)
  }
}
