import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing
import TorchFiles

/// Archives and pickles that no reader may accept, each with the rule that it breaks.
struct MalformedTorchTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let rule: TorchFileRule
    let bytes: [UInt8]

    init(_ name: String, _ rule: TorchFileRule, _ bytes: [UInt8]) {
      testDescription = name
      self.rule = rule
      self.bytes = bytes
    }

    /// A good archive in which something is changed.
    init(_ name: String, _ rule: TorchFileRule, archive change: (inout TorchArchive) -> Void) {
      var archive = MalformedTorchTests.good
      change(&archive)
      self.init(name, rule, archive.bytes)
    }

    /// An archive with these opcodes and one storage of 24 bytes.
    init(_ name: String, _ rule: TorchFileRule, pickle: [UInt8]) {
      self.init(name, rule, TorchArchive(pickle, storages: [MalformedTorchTests.storage]).bytes)
    }

    /// An archive with this tensor.
    init(_ name: String, _ rule: TorchFileRule, tensor: [UInt8]) {
      self.init(name, rule, pickle: Pickle.whole(Pickle.dictionary([("t", tensor)])))
    }
  }

  static let storage = (0..<6).flatMap { littleEndian(UInt64(Float($0).bitPattern), 4) }
  static let floats = Pickle.storage("0", "FloatStorage", count: 6)
  static let good = TorchArchive(
    Pickle.whole(Pickle.dictionary([("t", Pickle.tensor(floats, shape: [2, 3], strides: [3, 1]))])), storages: [storage]
  )

  static func view(_ shape: [Int], _ strides: [Int], at offset: Int = 0) -> [UInt8] {
    Pickle.tensor(floats, offset: offset, shape: shape, strides: strides)
  }

  static func text(_ opcodes: String) -> [UInt8] { [0x80, 2] + Array(opcodes.utf8) }

  static func rebuild(_ arguments: [[UInt8]]) -> [UInt8] {
    Pickle.call(Pickle.global("torch._utils", "_rebuild_tensor_v2"), arguments)
  }

  static let kinds: [Case] = [
    Case("empty file", .notTorch, []),
    Case("one byte", .notTorch, [0x50]),
    Case("text", .notTorch, Array("version https://git-lfs.github.com/spec/v1".utf8)),
    Case("pickle alone", .legacyPickle, Pickle.whole(Pickle.dictionary([]))),
    Case("tar", .tar, [UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8) + [UInt8](repeating: 0, count: 250)),
    Case("start of an archive alone", .archive, [0x50, 0x4B, 3, 4]),
    Case("bytes after the archive", .archive, good.bytes + [0]),
    Case("code", .torchScript, archive: { $0.members.append(.init("archive/code/x.py", [])) }),
    Case("constants", .torchScript, archive: { $0.members.append(.init("archive/constants.pkl", [])) }),
    Case("no version", .missingMember, archive: { $0.members.removeLast() }),
    Case("version 11", .version, archive: { $0.change("archive/version") { $0.bytes = Array("11".utf8) } }),
    Case("version in words", .version, archive: { $0.change("archive/version") { $0.bytes = Array("x".utf8) } }),
    Case(
      "long version", .limit, archive: { $0.change("archive/version") { $0.bytes = .init(repeating: 51, count: 17) } }),
    Case("big-endian", .byteOrder, archive: { $0.change("archive/byteorder") { $0.bytes = Array("big".utf8) } }),
    Case("no pickle", .missingMember, archive: { $0.members.removeFirst() }),
    Case("no storage", .missingMember, archive: { $0.members.remove(at: 3) }),
  ]

  static let archives: [Case] = [
    Case("compressed", .compressed, archive: { $0.change("archive/data/0") { $0.method = 8 } }),
    Case("encrypted", .encrypted, archive: { $0.change("archive/data/0") { $0.flags |= 1 } }),
    Case("strongly encrypted", .encrypted, archive: { $0.change("archive/data/0") { $0.flags |= 0x40 } }),
    Case("masked", .encrypted, archive: { $0.change("archive/data/0") { $0.flags |= 0x2000 } }),
    Case("a patch", .compressed, archive: { $0.change("archive/data/0") { $0.flags |= 0x20 } }),
    Case("same member twice", .duplicateMember, archive: { $0.members.append($0.members[3]) }),
    Case("second root", .memberName, archive: { $0.members.append(.init("other/x", [])) }),
    Case("no root", .memberName, archive: { $0.members[0].name = "data.pkl" }),
    Case("empty root", .memberName, archive: { $0.members[0].name = "/data.pkl" }),
    Case("empty name", .memberName, archive: { $0.members[0].name = "" }),
    Case("control character", .memberName, archive: { $0.members[1].name = "archive/\u{1B}[2J" }),
    Case("another name in the header", .archive, archive: { $0.members[3].directoryName = "archive/data/1" }),
    Case("a shorter name in the header", .archive, archive: { $0.members[3].directoryName = "archive/data" }),
    Case("other flags in the header", .archive, archive: { $0.members[3].directoryFlags = 0x0800 }),
    Case(
      "another size in the header", .archive,
      archive: {
        $0.members[3].flags = 0x0800
        $0.members[3].directorySize = 20
      }),
    Case("size beyond the file", .outOfFile, archive: { $0.members[3].directorySize = 4_000_000 }),
    Case(
      "size of 2^63", .outOfFile,
      archive: {
        $0.members[3].isWide = true
        $0.members[3].directorySize = -1
      }),
    Case("size reaching into the directory", .outOfFile, archive: { $0.members[4].directorySize = 200 }),
    Case("offset beyond the file", .outOfFile, archive: { $0.members[3].directoryOffset = 4_000_000 }),
    Case(
      "offset of 2^64 - 1", .outOfFile,
      archive: {
        $0.members[3].isWide = true
        $0.members[3].directoryOffset = -1
      }),
    Case("offset to no header", .archive, archive: { $0.members[3].directoryOffset = 1 }),
    Case("overlap", .overlap, archive: { $0.members[1].directorySize = 200 }),
    Case("ZIP64 sizes without a field", .archive, archive: { $0.members[3].directorySize = 0xFFFF_FFFF }),
    Case("short record against the ZIP64 record", .archive, patched(fromEnd: 12, 0x01)),
    Case("count of entries", .archive, plainEnd(fromEnd: 12, 0x01)),
    Case("more entries than bytes", .limit, plainEnd(fromEnd: 12, 0x80, also: 14)),
    Case("disk number", .archive, plainEnd(fromEnd: 18, 0x01)),
    Case("directory's size", .archive, plainEnd(fromEnd: 10, 0x01)),
    Case("directory's offset", .archive, plainEnd(fromEnd: 6, 0x01)),
    Case("a comment", .archive, plainEnd(fromEnd: 2, 0x01)),
    Case("ZIP64 locator beyond the file", .archive, patched(fromEnd: 22 + 12 - 7, 0x40)),
    Case("ZIP64 record's size", .archive, patched(fromEnd: 22 + 20 + 52, 0x01)),
    Case("ZIP64 offset", .archive, patched(fromEnd: 22 + 20 + 1, 0x40)),
    Case("ZIP64 size", .archive, patched(fromEnd: 22 + 20 + 9, 0x80)),
  ]

  /// A good file with bits of one byte, counted from the end, flipped.
  static func patched(fromEnd: Int, _ mask: UInt8) -> [UInt8] {
    var bytes = good.bytes
    bytes[bytes.count - fromEnd] ^= mask
    return bytes
  }

  /// The same without ZIP64 records.
  static func plainEnd(fromEnd: Int, _ mask: UInt8, also other: Int? = nil) -> [UInt8] {
    var archive = good
    archive.hasZIP64End = false
    var bytes = archive.bytes
    for index in [fromEnd, other].compactMap({ $0 }) { bytes[bytes.count - index] ^= mask }
    return bytes
  }

  static let pickles: [Case] = [
    Case("empty pickle", .pickle, pickle: []),
    Case("protocol 1", .pickle, pickle: [0x80, 1] + Array("}.".utf8)),
    Case("protocol 6", .pickle, pickle: [0x80, 6] + Array("}.".utf8)),
    Case("no protocol", .pickle, pickle: Array("}.".utf8)),
    Case("protocol twice", .pickle, pickle: [0x80, 2, 0x80, 2] + Array("}.".utf8)),
    Case("no end", .pickle, pickle: text("}")),
    Case("bytes after the end", .pickle, pickle: text("}.}")),
    Case("two objects", .pickle, pickle: text("}}.")),
    Case("open mark", .pickle, pickle: text("}(.")),
    Case("end without an object", .pickle, pickle: text(".")),
    Case("text opcode", .opcode, pickle: text("I1\n.")),
    Case("INST", .opcode, pickle: text("(S'x'\niposix\nsystem\n.")),
    Case("INST alone", .opcode, pickle: text("(iposix\nsystem\n.")),
    Case("OBJ", .opcode, pickle: text("(o.")),
    Case("POP", .opcode, pickle: text("}0.")),
    Case("DUP", .opcode, pickle: text("}2.")),
    Case("textual persistent id", .opcode, pickle: text("Pstorage\n.")),
    Case("extension", .opcode, pickle: [0x80, 2, 0x82, 1] + Array(".".utf8)),
    Case("out-of-band buffer", .opcode, pickle: [0x80, 5, 0x97] + Array(".".utf8)),
    Case("LONG4", .opcode, pickle: [0x80, 2, 0x8B, 1, 0, 0, 0, 1] + Array(".".utf8)),
    Case("posix.system", .global, pickle: text("cposix\nsystem\n(X\u{2}\0\0\0lstR.")),
    Case("builtins.eval", .global, pickle: text("c__builtin__\neval\n.")),
    Case("a module of torch", .global, pickle: text("ctorch.nn.modules.linear\nLinear\n.")),
    Case("global by dots", .global, pickle: text("ctorch._utils\n_rebuild_tensor_v2.__globals__\n.")),
    Case(
      "STACK_GLOBAL", .global,
      pickle: [0x80, 4, 0x8C, 2] + Array("os".utf8) + [0x8C, 6] + Array("system".utf8) + [0x93]),
    Case("STACK_GLOBAL of numbers", .pickle, pickle: [0x80, 4] + Array("K\u{1}K\u{1}".utf8) + [0x93]),
    Case("endless global", .pickle, pickle: text("c" + String(repeating: "x", count: 300))),
    Case("memo that is unset", .pickle, pickle: text("h\u{0}.")),
    Case("long memo that is unset", .pickle, pickle: text("j\u{1}\u{0}\u{0}\u{0}.")),
    Case("memo of nothing", .pickle, pickle: text("q\u{0}}.")),
    Case("memo of nothing within a mark", .pickle, pickle: text("}(q\u{0}t.")),
    Case("string beyond the end", .pickle, pickle: [0x80, 2, 0x58, 0xFF, 0xFF, 0xFF, 0x7F, 0x61]),
    Case("bytes of 2^64 - 1", .pickle, pickle: [0x80, 5, 0x96] + [UInt8](repeating: 0xFF, count: 8)),
    Case("frame of 2^64 - 1 bytes", .pickle, pickle: [0x80, 4, 0x95] + [UInt8](repeating: 0xFF, count: 8)),
    Case("a long of no bytes as a key", .noTensors, pickle: [0x80, 2, 0x7D, 0x8A, 0, 0x4E] + Array("s.".utf8)),
    Case("string that is not UTF-8", .pickle, pickle: [0x80, 2, 0x58, 1, 0, 0, 0, 0xFF] + Array(".".utf8)),
    Case(
      "string over the limit", .limit, pickle: Pickle.whole(Pickle.string(String(repeating: "x", count: 1 << 20 | 1)))),
    Case("frame beyond the end", .pickle, pickle: [0x80, 4, 0x95, 99, 0, 0, 0, 0, 0, 0, 0] + Array("}.".utf8)),
    Case("deep", .limit, pickle: text(String(repeating: "(", count: 2_000))),
    Case("deep without marks", .limit, pickle: [0x80, 2, 0x29] + [UInt8](repeating: 0x85, count: 2_000_000)),
    Case("high stack", .limit, pickle: text(String(repeating: "N", count: 1_100_000))),
    Case("large memo", .limit, pickle: [0x80, 4, 0x7D] + memoBomb),
    Case("tuple of nothing", .pickle, pickle: [0x80, 2, 0x85]),
    Case("tuple over a mark", .pickle, pickle: text("N(") + [0x85]),
    Case("items without a mark", .pickle, pickle: text("}u.")),
    Case("odd items", .pickle, pickle: text("}(Nu.")),
    Case("items for a list", .pickle, pickle: text("](NNu.")),
    Case("append to a dictionary", .pickle, pickle: text("}Na.")),
    Case("call of a string", .pickle, pickle: Pickle.whole(Pickle.string("x") + Array(")R".utf8))),
    Case(
      "call without a tuple", .pickle,
      pickle: Pickle.whole(Pickle.global("collections", "OrderedDict") + Array("}R".utf8))),
    Case(
      "dictionary with arguments", .pickle,
      pickle: Pickle.whole(Pickle.call(Pickle.global("collections", "OrderedDict"), [[0x4E]]))),
    Case(
      "call of a storage's class", .pickle,
      pickle: Pickle.whole(Pickle.call(Pickle.global("torch", "FloatStorage"), []))),
    Case("call of a type", .pickle, pickle: Pickle.whole(Pickle.call(Pickle.global("torch", "float32"), []))),
    Case(
      "tensor as a class", .pickle,
      pickle: Pickle.whole(Pickle.global("torch._utils", "_rebuild_tensor_v2") + [0x29, 0x81])),
    Case("state of a list", .pickle, pickle: text("]}b.")),
    Case("no dictionary", .noTensors, pickle: text("N.")),
    Case("empty dictionary", .noTensors, pickle: text("}.")),
    Case("dictionary that holds itself", .noTensors, pickle: selfReferring),
    Case("tensor alone", .noTensors, pickle: Pickle.whole(view([6], [1]))),
    Case(
      "same tensor twice", .duplicateTensor,
      pickle: Pickle.whole(Pickle.dictionary([("t", view([6], [1])), ("t", view([6], [1]))]))),
    Case("number as a name", .tensorName, pickle: text("}K\u{1}") + view([6], [1]) + Array("s.".utf8)),
    Case("empty name", .tensorName, pickle: Pickle.whole(Pickle.dictionary([("", view([6], [1]))]))),
    Case(
      "control character in a name", .tensorName,
      pickle: Pickle.whole(Pickle.dictionary([("\u{1B}[2J", view([6], [1]))]))),
    Case(
      "long name", .tensorName,
      pickle: Pickle.whole(Pickle.dictionary([(String(repeating: "x", count: 5_000), view([6], [1]))]))),
    Case(
      "object among the tensors", .value,
      pickle: Pickle.whole(
        Pickle.dictionary([
          ("t", view([6], [1])), ("x", Pickle.call(Pickle.global("numpy.core.multiarray", "scalar"), [])),
        ]))),
  ]

  /// A memo entry for each of many opcodes: MEMOIZE takes a byte.
  static let memoBomb = [UInt8](repeating: 0x94, count: 1_100_000)
  static let selfReferring = text("}q\u{0}") + Pickle.string("model") + Array("h\u{0}s.".utf8)

  static let tensors: [Case] = [
    Case(
      "no storage", .tensor,
      tensor: rebuild([[0x4E], Pickle.integer(0), Pickle.integers([6]), Pickle.integers([1]), [0x89], [0x4E]])),
    Case("too few arguments", .pickle, tensor: rebuild([floats, Pickle.integer(0), Pickle.integers([6])])),
    Case(
      "lengths as a list", .tensor,
      tensor: rebuild([floats, Pickle.integer(0), Array("]".utf8), Pickle.integers([1]), [0x89], [0x4E]])),
    Case(
      "length as a string", .tensor,
      tensor: rebuild([
        floats, Pickle.integer(0), Pickle.tuple([Pickle.string("6")]), Pickle.integers([1]), [0x89], [0x4E],
      ])),
    Case(
      "offset as none", .tensor,
      tensor: rebuild([floats, [0x4E], Pickle.integers([6]), Pickle.integers([1]), [0x89], [0x4E]])),
    Case("fewer strides than lengths", .tensor, tensor: view([2, 3], [1])),
    Case("negative offset", .tensor, tensor: view([6], [1], at: -1)),
    Case("negative length", .tensor, tensor: view([-6], [1])),
    Case("negative stride", .tensor, tensor: view([6], [-1], at: 5)),
    Case("33 dimensions", .limit, tensor: view([Int](repeating: 1, count: 33), [Int](repeating: 1, count: 33))),
    Case("elements overflow", .overflow, tensor: view([1 << 32, 1 << 32], [0, 0])),
    Case("elements overflow before a zero", .overflow, tensor: view([1 << 32, 1 << 32, 0], [0, 0, 0])),
    Case("bytes overflow", .overflow, tensor: view([1 << 62], [0])),
    Case("strides overflow", .outOfStorage, tensor: view([3, 2], [Int.max, 1])),
    Case("strides overflow in a sum", .outOfStorage, tensor: view([2, 2], [Int.max, Int.max])),
    Case("offset at the maximum", .outOfStorage, tensor: view([2], [1], at: Int.max)),
    Case("one element too many", .outOfStorage, tensor: view([7], [1])),
    Case("offset one too far", .outOfStorage, tensor: view([6], [1], at: 1)),
    Case("stride too wide", .outOfStorage, tensor: view([2, 3], [4, 1])),
    Case("element beyond", .outOfStorage, tensor: view([], [], at: 6)),
    Case("repeated", .outOfStorage, tensor: view([7, 1], [0, 1])),
    Case("repeated beyond memory", .outOfStorage, tensor: view([1 << 40], [0])),
    Case(
      "storage with more elements", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "FloatStorage", count: 7), shape: [6], strides: [1])),
    Case(
      "storage with fewer elements", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "FloatStorage", count: 5), shape: [5], strides: [1])),
    Case(
      "storage of a negative size", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "FloatStorage", count: -6), shape: [6], strides: [1])),
    Case(
      "storage of 2^62 elements", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "FloatStorage", count: 1 << 62), shape: [6], strides: [1])),
    Case(
      "storage of another type", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "DoubleStorage", count: 6), shape: [6], strides: [1])),
    Case(
      "storage of no class", .storage,
      tensor: Pickle.tensor(Pickle.storage("0", "Size", count: 6), shape: [6], strides: [1])),
    Case(
      "storage of an unknown class", .global,
      tensor: Pickle.tensor(Pickle.storage("0", "QInt8Storage", count: 24), shape: [6], strides: [1])),
    Case(
      "missing storage", .missingMember,
      tensor: Pickle.tensor(Pickle.storage("1", "FloatStorage", count: 6), shape: [6], strides: [1])),
    Case(
      "storage out of the folder", .missingMember,
      tensor: Pickle.tensor(Pickle.storage("../version", "ByteStorage", count: 2), shape: [2], strides: [1])),
    Case(
      "another persistent id", .storage,
      tensor: Pickle.tensor(Pickle.tuple([Pickle.string("module")]) + Array("Q".utf8), shape: [6], strides: [1])),
    Case("persistent id that is no tuple", .storage, tensor: Array("NQ".utf8)),
    Case(
      "parameter of no tensor", .pickle,
      tensor: Pickle.call(Pickle.global("torch._utils", "_rebuild_parameter"), [[0x4E], [0x89], [0x4E]])),
    Case("size of no tuple", .pickle, tensor: Pickle.call(Pickle.global("torch", "Size"), [[0x4E]])),
  ]

  @Test(arguments: kinds + archives + pickles + tensors) func isRefused(_ malformed: Case) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(malformed.bytes, "x.pt")
    for mapped in [true, false] {
      let error = #expect(throws: TorchFileError.self) { try TorchFile(path: path, mapped: mapped) }
      #expect(error?.rule == malformed.rule, "\(String(describing: error))")
      #expect(error?.file == path)
      #expect(error?.description.contains { $0.isNewline || $0 == "\u{1B}" } == false)
    }
  }

  @Test(arguments: [true, false]) func theArchiveThatTheseAreMadeFromIsRead(hasZIP64End: Bool) throws {
    let folder = try ScratchFolder()
    var archive = Self.good
    archive.hasZIP64End = hasZIP64End
    for index in archive.members.indices { archive.members[index].isWide = index.isMultiple(of: 2) }
    archive.members[1].flags = 0x0800
    let file = try TorchFile(path: folder.write(archive.bytes, "x.pt"))
    #expect(try file.floats("t", shape: [2, 3]) == [0, 1, 2, 3, 4, 5])
  }

  @Test func legalOddities() throws {
    let folder = try ScratchFolder()
    // Two types of one storage, strides of lengths of one and of nothing, elements shown twice but not more than there are.
    let pickle = Pickle.whole(
      Pickle.dictionary([
        ("bytes", Pickle.tensor(Pickle.storage("0", "ByteStorage", count: 24), shape: [24], strides: [1])),
        ("one", Self.view([1, 3, 1], [77, 1, 1 << 40], at: 3)),
        ("none", Self.view([0, 1 << 40], [1 << 40, 0], at: 99)),
        ("twice", Self.view([2, 3], [0, 1], at: 2)),
      ]))
    let file = try TorchFile(path: folder.write(TorchArchive(pickle, storages: [Self.storage]).bytes, "x.pt"))
    #expect(try file.floats("one", shape: [1, 3, 1]) == [3, 4, 5])
    #expect(try file.floats("none", shape: [0, 1 << 40]) == [])
    #expect(try file.floats("twice", shape: [2, 3]) == [2, 3, 4, 2, 3, 4])
    #expect(try file.rows("twice", indices: [1, 1], columns: 3) == [2, 3, 4, 2, 3, 4])
    #expect(throws: SafeTensorsError.self) { try file.rows("twice", indices: [2], columns: 3) }
    #expect(throws: SafeTensorsError.self) { try file.floats("bytes", shape: [24]) }
    #expect(throws: SafeTensorsError.self) { try file.floats("absent", shape: []) }
  }

  @Test(arguments: [Float.nan, .infinity]) func valuesThatAreNotFiniteAreNamed(value: Float) throws {
    let folder = try ScratchFolder()
    var storage = Self.storage
    storage.replaceSubrange(16..<20, with: littleEndian(UInt64(value.bitPattern), 4))
    let pickle = Pickle.whole(
      Pickle.dictionary([("t", Self.view([2, 3], [3, 1])), ("v", Self.view([3, 2], [1, 3]))]))
    let file = try TorchFile(path: folder.write(TorchArchive(pickle, storages: [storage]).bytes, "x.pt"))
    for (name, shape, index) in [("t", [2, 3], 4), ("v", [3, 2], 3)] {
      let error = #expect(throws: SafeTensorsError.self) { try file.floats(name, shape: shape) }
      #expect(error?.rule == .nonFinite)
      #expect(error?.found.hasSuffix("at element \(index)") == true, "\(String(describing: error))")
    }
  }

  // MARK: Every place

  @Test(arguments: ["views", "zip64"]) func everyPrefixOfAGoodFileIsRefused(name: String) throws {
    let folder = try MemoryFolder()
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("torch/\(name).pt"))))
    for count in 0..<bytes.count {
      #expect(try Self.refuses(Array(bytes[..<count]), in: folder))
    }
  }

  /// Whatever single byte is changed, the file is refused or its tensors lie inside it.
  @Test(arguments: ["views", "zip64"])
  func anyChangedByteIsRefusedOrHarmless(name: String) throws {
    let folder = try MemoryFolder()
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("torch/\(name).pt"))))
    var refused = 0
    for position in bytes.indices {
      for change: UInt8 in [0x01, 0x80] {
        var changed = bytes
        changed[position] ^= change
        if try Self.refuses(changed, in: folder) { refused += 1 }
      }
    }
    #expect(refused > bytes.count / 4)
  }

  /// Opcodes at every place of a pickle, in an archive that is whole.
  @Test(arguments: ["training", "protocol4"]) func anyOpcodeAnywhereIsRefusedOrHarmless(name: String) throws {
    let folder = try MemoryFolder()
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("torch/\(name).pt"))))
    // The pickle is the first member, behind a local header, and a descriptor follows it.
    let start = 30 + Int(littleValue(bytes, 26)) + Int(littleValue(bytes, 28))
    let end = try #require(bytes.indices.first { $0 > start && bytes[$0...].starts(with: [0x50, 0x4B, 7, 8]) })
    var refused = 0
    for position in start..<end {
      for step in 0..<4 {
        var changed = bytes
        changed[position] = Self.opcodes[(position * 31 + step * 16) % Self.opcodes.count]
        if try Self.refuses(changed, in: folder) { refused += 1 }
      }
    }
    #expect(refused > end - start)
  }

  func littleValue(_ bytes: [UInt8], _ index: Int) -> UInt16 { UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8 }

  /// Opcodes in any order, from a seed.
  @Test func randomOpcodesAreRefusedOrHarmless() throws {
    let folder = try MemoryFolder()
    var random = RandomBits(state: 1)
    for _ in 0..<2_000 {
      var pickle: [UInt8] = [0x80, 4]
      for _ in 0..<Int(random.next() % 60) {
        switch random.next() % 8 {
        case 0: pickle += Self.view([2, 3], [3, 1])
        case 1: pickle += Pickle.global("collections", "OrderedDict")
        case 2: pickle += Pickle.string("model")
        case 3: pickle += [0x4B, UInt8(random.next() % 4)]
        default: pickle.append(Self.opcodes[Int(random.next() % UInt64(Self.opcodes.count))])
        }
      }
      _ = try Self.refuses(TorchArchive(pickle + [0x2E], storages: [Self.storage]).bytes, in: folder)
    }
  }

  static let opcodes: [UInt8] =
    Array("(NGKMJXCB})](teasuqrhjcQRbIiop012P.".utf8) + Array(0x80...0x98) + [0, 0x7F, 0xFF]

  struct RandomBits {
    var state: UInt64
    /// SplitMix64.
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
      return mixed ^ mixed >> 31
    }
  }

  /// Opens the file and reads every tensor that there is.
  static func refuses(_ bytes: [UInt8], in folder: MemoryFolder) throws -> Bool {
    let path = try folder.write(bytes)
    do throws(TorchFileError) {
      let file = try TorchFile(path: path)
      for tensor in file.tensors {
        #expect((tensor.byteCount ?? .max) <= bytes.count)
        if tensor.elementType.isReadableAsFloat {
          do throws(SafeTensorsError) {
            #expect(try file.floats(tensor.name, shape: tensor.shape).count == tensor.elementCount)
          } catch {
            #expect(error.rule == .nonFinite)
          }
        }
      }
      return false
    } catch {
      return true
    }
  }
}
