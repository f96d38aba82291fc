import Failures
import FoundationEssentials
import Glibc
import NpyFiles
import TestSupport
import Testing

extension ScratchFolder {
  fileprivate func write(_ bytes: [UInt8]) throws -> String { try write(bytes, "x.npy") }
}

struct NpyFileTests {
  static func npy(_ dictionary: String, data: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
    let text = Array(dictionary.utf8)
    let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + data
  }

  static func header(_ type: String, _ shape: String, fortran: String = "False") -> String {
    "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }\n"
  }

  @Test(arguments: [[], [1], [7], [0], [3, 0, 2], [2, 3], [1, 1, 1, 5], [127, 3]])
  func floatsReadBack(shape: [Int]) throws {
    let folder = try ScratchFolder()
    let count = shape.reduce(1, *)
    let array = NpyArray(shape: shape, values: (0..<count).map { Float($0) * -0.37 + 0x1p-140 })
    try NpyFile.write(array, to: folder.path + "/x.npy")
    #expect(try NpyFile.readFloats(folder.path + "/x.npy") == array)
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: folder.path + "/x.npy")))
    #expect((bytes.count - 4 * count) % 64 == 0)
    #expect(bytes[bytes.count - 4 * count - 1] == UInt8(ascii: "\n"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.npy"])
  }

  @Test func theFileIsTheOneThatNumPyWrites() throws {
    let folder = try ScratchFolder()
    try NpyFile.write(NpyArray(shape: [2, 1], values: [1, -2]), to: folder.path + "/x.npy")
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"
    let padded = text + String(repeating: " ", count: 128 - 11 - text.utf8.count) + "\n"
    #expect(
      [UInt8](try Data(contentsOf: URL(filePath: folder.path + "/x.npy")))
        == Self.npy(padded, data: [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]))
  }

  @Test func everyTypeIsRead() throws {
    let folder = try ScratchFolder()
    let double: [UInt8] = [0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F]
    var path = try folder.write(Self.npy(Self.header("<f8", "(1,)"), data: double))
    #expect(try NpyFile.readDoubles(path).values == [0.1])
    #expect(try NpyFile.readFloats(path).values == [0.1])
    path = try folder.write(Self.npy(Self.header("<f4", "()"), data: [0, 0, 0xC0, 0xBF], version: 2))
    #expect(try NpyFile.readDoubles(path) == NpyArray(shape: [], values: [-1.5]))
    path = try folder.write(
      Self.npy(Self.header("<i8", "(1, 2)"), data: [UInt8](repeating: 0xFF, count: 8) + [1, 2, 0, 0, 0, 0, 0, 0x80]))
    #expect(try NpyFile.readInts(path) == NpyArray(shape: [1, 2], values: [-1, .min + 0x201]))
    path = try folder.write(Self.npy(Self.header("<i4", "(2,)"), data: [0xFE, 0xFF, 0xFF, 0xFF, 1, 2, 0, 0x7F]))
    #expect(try NpyFile.readInts(path).values == [-2, 0x7F00_0201])
    path = try folder.write(Self.npy(Self.header("|u1", "(3,)"), data: [0, 128, 255]))
    #expect(try NpyFile.readBytes(path).values == [0, 128, 255])
    path = try folder.write(
      Self.npy("{ 'shape':(3 , ),'descr':'|u1','fortran_order':False}", data: [1, 2, 3]))
    #expect(try NpyFile.readBytes(path).shape == [3])
  }

  @Test func goldenFilesAreRead() throws {
    let pixels = try NpyFile.readFloats(Fixtures.path("clip/inputs/pixels.npy"))
    #expect(pixels.shape == [3, 3, 32, 32] || pixels.shape.suffix(3) == [3, 32, 32])
    let ids = try NpyFile.readInts(Fixtures.path("clip/inputs/token_ids.npy"))
    #expect(ids.shape.last == 16)
    #expect(ids.values.allSatisfy { (0..<774).contains($0) })
    #expect(ids.values.contains(772) && ids.values.contains(773))
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: NpyRule
    let bytes: [UInt8]
    init(_ name: String, _ kind: NpyRule, _ bytes: [UInt8]) {
      testDescription = name
      self.kind = kind
      self.bytes = bytes
    }
  }

  static let cases = [
    Case("empty file", .notNpy, []),
    Case("other file", .notNpy, Array("PK\u{3}\u{4} a zip file".utf8)),
    Case("cut in the length", .notNpy, Array(npy("", version: 2)[..<10])),
    Case("cut in the header", .notNpy, Array(npy(header("<f4", "(1,)"))[..<40])),
    Case("version 3", .version, npy(header("<f4", "(1,)"), version: 3)),
    Case("version 0", .version, npy(header("<f4", "(1,)"), version: 0)),
    Case("big-endian", .elementType, npy(header(">f4", "(1,)"), data: [0, 0, 0, 0])),
    Case("integers", .elementType, npy(header("<i2", "(1,)"), data: [0, 0, 0, 0])),
    Case("objects", .elementType, npy(header("|O", "(1,)"), data: [0, 0, 0, 0])),
    Case(
      "records", .header,
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", data: [0, 0, 0, 0])),
    Case("Fortran order", .fortranOrder, npy(header("<f4", "(1, 1)", fortran: "True"), data: [0, 0, 0, 0])),
    Case("order is a number", .header, npy(header("<f4", "(1,)", fortran: "0"), data: [0, 0, 0, 0])),
    Case("missing shape", .header, npy("{'descr': '<f4', 'fortran_order': False, }", data: [])),
    Case("shape twice", .header, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), 'shape': (0,), }")),
    Case("unknown key", .header, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), 'x': 1, }")),
    Case("shape is a number", .header, npy(header("<f4", "(1)"), data: [0, 0, 0, 0])),
    Case("negative length", .header, npy(header("<f4", "(-1,)"))),
    Case("fractional length", .header, npy(header("<f4", "(1.0,)"), data: [0, 0, 0, 0])),
    Case("empty item", .header, npy(header("<f4", "(1,,)"), data: [0, 0, 0, 0])),
    Case("length of 2^64", .header, npy(header("<f4", "(18446744073709551616,)"))),
    Case(
      "33 dimensions", .header,
      npy(header("<f4", "(" + String(repeating: "1, ", count: 33) + ")"), data: [0, 0, 0, 0])),
    Case("text after the dictionary", .header, npy(header("<f4", "(0,)") + "x")),
    Case("unclosed dictionary", .header, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), ")),
    Case("unclosed string", .header, npy("{'descr")),
    Case("escape in a string", .header, npy("{'de\\scr': '<f4', 'fortran_order': False, 'shape': (0,), }")),
    Case("size overflows to 4", .shape, npy(header("<f4", "(4611686018427387905,)"), data: [0, 0, 0, 0])),
    Case("too few bytes", .size, npy(header("<f4", "(2,)"), data: [0, 0, 0, 0])),
    Case("too many bytes", .size, npy(header("<f4", "(1,)"), data: [0, 0, 0, 0, 0])),
    Case("data for an empty array", .size, npy(header("<f4", "(0, 9)"), data: [0, 0, 0, 0])),
  ]

  @Test(arguments: cases) func faultyFilesAreRefused(_ faulty: Case) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(faulty.bytes)
    let error = #expect(throws: NpyError.self) { try NpyFile.readFloats(path) }
    #expect(error?.rule == faulty.kind, "\(String(describing: error))")
    #expect(error?.file == path)
    #expect(error?.description.contains { $0.isNewline } == false)
  }

  @Test func typesAreNotMixedUp() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.npy(Self.header("<f4", "(2,)"), data: [UInt8](repeating: 0, count: 8)))
    #expect(#expect(throws: NpyError.self) { try NpyFile.readInts(path) }?.rule == .elementType)
    #expect(#expect(throws: NpyError.self) { try NpyFile.readBytes(path) }?.rule == .elementType)
  }

  @Test func somethingElseThanAFileIsRefused() throws {
    let folder = try ScratchFolder()
    let kind = { (path: String) in #expect(throws: NpyError.self) { try NpyFile.readFloats(path) }?.rule }
    #expect(kind(folder.path) == .notARegularFile)
    #expect(kind("/dev/zero") == .notARegularFile)
    #expect(kind(folder.path + "/absent.npy") == .cannotOpen)
    let error = #expect(throws: NpyError.self) {
      try NpyFile.write(NpyArray(shape: [1], values: [1]), to: folder.path + "/absent/x.npy")
    }
    #expect(error?.rule == .cannotWrite)
  }

  /// A sparse file beyond the limit is refused by its size, before anything is read.
  @Test func enormousFilesAreRefused() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.npy(Self.header("|u1", "(1099511627776,)")))
    #expect(unsafe truncate(path, 1 << 40) == 0)
    let error = #expect(throws: NpyError.self) { try NpyFile.readBytes(path) }
    #expect(error?.rule == .tooLarge)
    #expect(error?.found == "\(1 << 40)")
  }

  @Test func controlCharactersOfAPathAreEscaped() throws {
    let error = #expect(throws: NpyError.self) { try NpyFile.readFloats("/nowhere/\u{1B}[2J.npy") }
    #expect(
      error?.description == "/nowhere/\\u{1b}[2J.npy: opening: expected a readable file, "
        + "found No such file or directory; check the path and its permissions")
  }
}
