import Failures
import SafeTensors
import TestSupport
import Testing
import TorchFiles

@testable import VisionTransformer

/// Models whose weights are PyTorch's files, against the same models in safetensors.
struct TorchCheckpointTests {
  /// The tensors of a fixture as `torch.save` would store them.
  static func archive(
    of fixture: String, prefix: String = "", where isIncluded: (String) -> Bool = { _ in true }
  ) throws -> [UInt8] {
    let source = try SafeTensorsFile(path: Fixtures.path(fixture))
    return torchArchive(
      try source.tensors.filter { isIncluded($0.name) }.map {
        ($0.name, $0.shape, try source.floats($0.name, shape: $0.shape))
      }, prefix: prefix)
  }

  @Test(arguments: [
    ("open_clip_pytorch_model.bin", ""), ("pytorch_model.bin", ""), ("epoch_latest.pt", "module."),
    ("model.pth", "_orig_mod."),
  ])
  func anOpenCLIPFolderIsReadFromAnyName(name: String, prefix: String) throws {
    let folder = try ScratchFolder()
    let expected = try CheckpointTests.golden("clip")
    try folder.write(
      Array(try CheckpointFolder.fixtureText("clip/model/open_clip_config.json").utf8), "open_clip_config.json")
    try folder.write(try Self.archive(of: "clip/model/open_clip_model.safetensors", prefix: prefix), name)
    for mapped in [true, false] {
      let checkpoint = try Checkpoint(folder: folder.path, mapped: mapped)
      #expect(checkpoint.parameterCount == expected.parameterCount)
      #expect(checkpoint.ignoredTensors == [])
      for tensor in expected.tensors {
        #expect(try checkpoint.floats(tensor.name) == expected.floats(tensor.name), "\(tensor.name)")
      }
      #expect(try checkpoint.tokenEmbeddingRows(ids: [772, 3]) == expected.tokenEmbeddingRows(ids: [772, 3]))
    }
    #expect(try Checkpoint(folder: folder.path).fileHash().count == 64)
  }

  @Test func huggingFaceShardsAreRead() throws {
    let folder = try ScratchFolder()
    let expected = try CheckpointTests.golden("clip-hf")
    for name in ["config.json", "preprocessor_config.json"] {
      try folder.write(Array(try CheckpointFolder.fixtureText("clip-hf/model/" + name).utf8), name)
    }
    let weights = "clip-hf/model/model.safetensors"
    let shard = { (name: String) in name.hasPrefix("text_model.") ? 1 : 2 }
    for number in [1, 2] {
      try folder.write(
        try Self.archive(of: weights) { shard($0) == number }, "pytorch_model-0000\(number)-of-00002.bin")
    }
    let map = try SafeTensorsFile(path: Fixtures.path(weights)).names.map {
      "\"\($0)\":\"pytorch_model-0000\(shard($0))-of-00002.bin\""
    }
    try folder.write(
      Array("{\"weight_map\":{\(map.joined(separator: ","))}}".utf8), "pytorch_model.bin.index.json")
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.store.files.count == 2)
    for tensor in expected.tensors {
      #expect(try checkpoint.floats(tensor.name) == expected.floats(tensor.name), "\(tensor.name)")
    }
  }

  @Test func safetensorsGoFirst() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.link("clip/model/open_clip_model.safetensors", as: "model.safetensors")
    try folder.write("", "open_clip_pytorch_model.bin")
    try folder.write("", "pytorch_model.bin")
    #expect(try Checkpoint(folder: folder.path).store.files == [folder.path + "/model.safetensors"])
  }

  @Test func whatIsRefusedSaysSo() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_config.json", as: "open_clip_config.json")
    try folder.link("torch/refused-command.pt", as: "pytorch_model.bin")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .torchWeights(.global))
    #expect(error?.found == "\"posix.system\"")
    #expect(error?.description.contains("'model.safetensors')") == true)
  }
}
