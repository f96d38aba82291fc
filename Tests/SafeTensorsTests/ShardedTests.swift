import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing

struct ShardedTests {
  @Test func shardsHoldWhatTheSingleFileHolds() throws {
    let single = try SafeTensorsFile(path: Fixtures.path("clip-hf/model/model.safetensors"))
    for mapped in [true, false] {
      let sharded = try ShardedTensors(
        indexPath: Fixtures.path("clip-hf-sharded/model/model.safetensors.index.json"), mapped: mapped)
      #expect(sharded.files.count == 21)
      #expect(sharded.tensors == single.tensors)
      for tensor in single.tensors {
        #expect(
          try sharded.floats(tensor.name, shape: tensor.shape) == single.floats(tensor.name, shape: tensor.shape))
      }
      let name = "text_model.embeddings.token_embedding.weight"
      #expect(
        try sharded.rows(name, indices: [3, 700], columns: 48) == single.rows(name, indices: [3, 700], columns: 48))
      #expect(throws: SafeTensorsError.self) { try sharded.floats("absent", shape: []) }
    }
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: SafeTensorsRule
    let index: String
  }

  static let cases = [
    Case(testDescription: "not JSON", kind: .syntax, index: "weights"),
    Case(testDescription: "no weight_map", kind: .syntax, index: "{\"metadata\":{}}"),
    Case(testDescription: "weight_map is an array", kind: .syntax, index: "{\"weight_map\":[]}"),
    Case(testDescription: "file is a number", kind: .syntax, index: "{\"weight_map\":{\"a\":1}}"),
    Case(testDescription: "empty map", kind: .index, index: "{\"weight_map\":{}}"),
    Case(
      testDescription: "tensor twice", kind: .duplicateKey,
      index: "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"a\":\"2.safetensors\"}}"),
    Case(testDescription: "parent folder", kind: .unsafePath, index: map("../1.safetensors", "2.safetensors")),
    Case(testDescription: "hidden parent", kind: .unsafePath, index: map("x/../../1.safetensors", "2.safetensors")),
    Case(
      testDescription: "parent folder before a mark", kind: .unsafePath,
      index: map("../\u{301}1.safetensors", "2.safetensors")),
    Case(testDescription: "absolute path", kind: .unsafePath, index: map("/tmp/1.safetensors", "2.safetensors")),
    Case(
      testDescription: "same file, two spellings", kind: .unsafePath, index: map("./1.safetensors", "2.safetensors")),
    Case(testDescription: "empty component", kind: .unsafePath, index: map("x//1.safetensors", "2.safetensors")),
    Case(testDescription: "control character", kind: .unsafePath, index: map("1\\u0000.safetensors", "2.safetensors")),
    Case(testDescription: "pickled shard", kind: .unsafePath, index: map("1.bin", "2.safetensors")),
    Case(testDescription: "empty name", kind: .unsafePath, index: map("", "2.safetensors")),
    Case(testDescription: "link out of the folder", kind: .unsafePath, index: map("link.safetensors", "2.safetensors")),
    Case(testDescription: "missing file", kind: .index, index: map("3.safetensors", "2.safetensors")),
    Case(testDescription: "tensors swapped", kind: .index, index: map("2.safetensors", "1.safetensors")),
    Case(
      testDescription: "tensor in no file", kind: .index,
      index: "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\"}}"),
    Case(
      testDescription: "tensor not in the map", kind: .index,
      index: "{\"weight_map\":{\"a\":\"1.safetensors\","
        + "\"b\":\"12.safetensors\"}}"),
    Case(
      testDescription: "tensor in two files", kind: .index,
      index: "{\"weight_map\":{\"a\":\"1.safetensors\","
        + "\"c\":\"12c.safetensors\"}}"),
  ]

  static func map(_ a: String, _ b: String) -> String { "{\"weight_map\":{\"a\":\"\(a)\",\"b\":\"\(b)\"}}" }

  static func shard(_ names: String...) -> [UInt8] {
    let entries = names.enumerated().map {
      "\"\($0.element)\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\($0.offset * 4),\($0.offset * 4 + 4)]}"
    }
    return safeTensors("{" + entries.joined(separator: ",") + "}", data: 4 * names.count)
  }

  static func folder() throws -> ScratchFolder {
    let folder = try ScratchFolder()
    _ = try folder.write(shard("a"), "1.safetensors")
    _ = try folder.write(shard("b"), "2.safetensors")
    _ = try folder.write(shard("a", "b"), "12.safetensors")
    _ = try folder.write(shard("a", "c"), "12c.safetensors")
    return folder
  }

  @Test(arguments: cases) func aFaultyIndexIsRefused(_ faulty: Case) throws {
    let folder = try Self.folder()
    let outside = try ScratchFolder()
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link.safetensors",
      withDestinationPath: try outside.write(Self.shard("a"), "1.safetensors"))
    let path = try folder.write(Array(faulty.index.utf8), "model.safetensors.index.json")
    let error = #expect(throws: SafeTensorsError.self) { try ShardedTensors(indexPath: path) }
    #expect(error?.rule == faulty.kind, "\(String(describing: error))")
  }

  @Test func linksIntoTheHuggingFaceCacheAreFollowed() throws {
    let cache = try ScratchFolder()
    for name in ["blobs", "snapshots/0a1b/part"] {
      try FileManager.default.createDirectory(atPath: cache.path + "/" + name, withIntermediateDirectories: true)
    }
    _ = try cache.write(Self.shard("a"), "blobs/one")
    _ = try cache.write(Self.shard("b"), "snapshots/0a1b/part/2.safetensors")
    try FileManager.default.createSymbolicLink(
      atPath: cache.path + "/snapshots/0a1b/1.safetensors", withDestinationPath: "../../blobs/one")
    let index = try cache.write(
      Array(Self.map("1.safetensors", "part/2.safetensors").utf8), "snapshots/0a1b/model.safetensors.index.json")
    #expect(try ShardedTensors(indexPath: index).names == ["a", "b"])
  }

  static let candidates = ["open_clip_model.safetensors", "model.safetensors", "model.safetensors.index.json"]

  @Test func theFirstCandidateThatExistsIsOpened() throws {
    let folder = try Self.folder()
    _ = try folder.write(Array(Self.map("1.safetensors", "2.safetensors").utf8), "model.safetensors.index.json")
    #expect(try SafeTensorsFolder.open(folder.path, candidates: Self.candidates).names == ["a", "b"])
    _ = try folder.write(Self.shard("z"), "model.safetensors")
    #expect(try SafeTensorsFolder.open(folder.path, candidates: Self.candidates).names == ["z"])
    _ = try folder.write(Self.shard("o"), "open_clip_model.safetensors")
    _ = try folder.write([], "pytorch_model.bin")
    #expect(try SafeTensorsFolder.open(folder.path, candidates: Self.candidates).names == ["o"])
  }

  @Test func aFolderWithoutWeightsIsNamed() throws {
    let folder = try ScratchFolder()
    let kind = { (path: String) in
      #expect(throws: SafeTensorsError.self) { try SafeTensorsFolder.open(path, candidates: Self.candidates) }?.rule
    }
    #expect(kind(folder.path) == .noWeights)
    #expect(kind(folder.path + "/absent") == .cannotOpen)
  }
}
