import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing
import TorchFiles

struct FolderTests {
  static func weights(_ names: String...) -> [UInt8] {
    torchArchive(names.map { ($0, [1], [Float(1)]) })
  }

  @Test func theFirstCandidateThatExistsIsOpened() throws {
    let folder = try ScratchFolder()
    #expect(try TorchFolder.open(folder.path) == nil)
    try folder.write(Self.weights("p"), "epoch_3.pt")
    #expect(try TorchFolder.open(folder.path)?.names == ["p"])
    try folder.write(Self.weights("q"), "epoch_4.pth")
    let several = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path) }
    #expect(several?.rule == .severalFiles)
    #expect(several?.found == "2: \"epoch_3.pt\", \"epoch_4.pth\"")
    try folder.write(Self.weights("a"), "1.bin")
    try folder.write(Self.weights("b", "c"), "2.bin")
    try folder.write(
      Array("{\"weight_map\":{\"a\":\"1.bin\",\"b\":\"2.bin\",\"c\":\"2.bin\"}}".utf8), "pytorch_model.bin.index.json")
    let sharded = try #require(try TorchFolder.open(folder.path))
    #expect(sharded.names == ["a", "b", "c"])
    #expect(sharded.files == ["1.bin", "2.bin"].map { folder.path + "/" + $0 })
    #expect(try sharded.floats("c", shape: [1]) == [1])
    try folder.write(Self.weights("h"), "pytorch_model.bin")
    #expect(try TorchFolder.open(folder.path)?.names == ["h"])
    try folder.write(Self.weights("o"), "open_clip_pytorch_model.bin")
    #expect(try TorchFolder.open(folder.path)?.names == ["o"])
    let absent = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path + "/absent") }
    #expect(absent?.rule == .cannotOpen)
  }

  @Test(arguments: [
    ("{\"weight_map\":{\"a\":\"1.bin\"}}", TorchFileRule.index), ("{\"weight_map\":{\"a\":\"../1.bin\"}}", .index),
    ("{\"weight_map\":{\"a\":\"1.safetensors\"}}", .index), ("{\"weight_map\":{\"a\":\"2.bin\"}}", .index),
    ("{", .index),
    ("{\"weight_map\":{\"a\":\"1.bin\",\"b\":\"old.bin\"}}", .legacyPickle),
  ])
  func aFaultyIndexIsRefused(index: String, rule: TorchFileRule) throws {
    let folder = try ScratchFolder()
    try folder.write(Self.weights("a", "b"), "1.bin")
    try folder.write(Pickle.whole(Pickle.dictionary([])), "old.bin")
    try folder.write(Array(index.utf8), "pytorch_model.bin.index.json")
    let error = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path) }
    #expect(error?.rule == rule, "\(String(describing: error))")
  }

  /// What the command writes is what the folder is asked for first.
  @Test(arguments: [
    ("pytorch_model.bin", "model"), ("open_clip_pytorch_model.bin", "open_clip_pytorch_model"), ("x.pt", "model"),
    ("x.pth", "model"),
  ])
  func otherPicklesAreRefusedWithTheCommandThatConvertsThem(pickle: String, target: String) throws {
    let folder = try ScratchFolder()
    try folder.write([0x80, 2], pickle)
    let error = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path) }
    #expect(error?.rule == .legacyPickle)
    #expect(error?.description.contains("cd '\(folder.path)' && python3") == true)
    #expect(error?.description.contains("torch.load('\(pickle)', map_location='cpu', weights_only=True)") == true)
    #expect(error?.description.contains("'\(target).safetensors')") == true)
  }

  @Test func theCommandTakesAllShards() throws {
    let folder = try ScratchFolder()
    let shard = "pytorch_model-00001-of-00002.bin"
    try folder.write([0x80, 2], shard)
    try folder.write(Array("{\"weight_map\":{\"a\":\"\(shard)\"}}".utf8), "pytorch_model.bin.index.json")
    let error = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path) }
    #expect(error?.description.contains("glob.glob('pytorch_model-*-of-*.bin')") == true)
  }

  @Test func aNameThatAShellWouldRunIsNotRepeatedInTheCommand() throws {
    let folder = try ScratchFolder()
    try folder.write([0x80, 2], "x$(reboot)`reboot`.bin")
    let error = #expect(throws: TorchFileError.self) { try TorchFolder.open(folder.path) }
    #expect(error?.rule == .legacyPickle)
    #expect(error?.remedy.description.contains("reboot") == false)
    #expect(error?.remedy.description.contains("torch.load('NAME.bin'") == true)
  }

  @Test func somethingElseThanAFileIsRefused() throws {
    let folder = try ScratchFolder()
    let open = { (path: String) in #expect(throws: TorchFileError.self) { try TorchFile(path: path) }?.rule }
    #expect(open(folder.path) == .notARegularFile)
    #expect(open("/dev/zero") == .notARegularFile)
    #expect(open(folder.path + "/absent") == .cannotOpen)
  }

  @Test(arguments: [
    (["module.a", "module.b"], ["a", "b"]), (["module.a", "b"], ["module.a", "b"]), (["module.", "module.b"], nil),
    (["_orig_mod.module.clip.a"], ["a"]), (["clip.visual.proj", "clip.a"], ["visual.proj", "a"]),
    (["module.module.module.module.module.a"], ["module.a"]),
  ])
  func wrappersLeaveAllNamesOrNone(stored: [String], expected: [String]?) throws {
    let folder = try ScratchFolder()
    let bytes = torchArchive(stored.map { ($0, [1], [Float(1)]) })
    let names = UnwrappedTensors.of(try TorchFile(path: folder.write(bytes, "x.pt"))).names
    #expect(names == (expected ?? stored).sorted())
  }
}
