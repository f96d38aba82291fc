import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing

/// Files that no reader may accept, each with the rule that it breaks.
struct MalformedFileTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: SafeTensorsRule
    let bytes: [UInt8]

    init(_ name: String, _ kind: SafeTensorsRule, _ bytes: [UInt8]) {
      testDescription = name
      self.kind = kind
      self.bytes = bytes
    }

    /// One tensor `t` with these members, and data.
    init(_ name: String, _ kind: SafeTensorsRule, tensor: String, data: Int) {
      self.init(name, kind, safeTensors("{\"t\":{\(tensor)}}", data: data))
    }
  }

  static let f32 = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"
  static let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)

  static let cases: [Case] = [
    Case("empty file", .tooShort, []),
    Case("text", .notWeights, Array("Entry not found".utf8)),
    Case(
      "text with a character that the start cuts", .notWeights,
      Array(String(repeating: "a", count: 511).utf8) + [0xC3, 0xA9]),
    Case("an archive", .notWeights, [0x50, 0x4B, 3, 4, 0, 0, 0, 0, 0, 0]),
    Case("seven bytes", .tooShort, [UInt8](repeating: 0, count: 7)),
    Case("eight bytes", .tooShort, [UInt8](repeating: 0, count: 8)),
    Case("header length zero", .headerLength, [UInt8](repeating: 0, count: 9)),
    Case("header longer than the file", .headerLength, [3, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)),
    Case("header length over the limit", .headerLength, [1, 0xE1, 0xF5, 5, 0, 0, 0, 0] + Array("{}".utf8)),
    Case("header length 2^64 - 1", .headerLength, [UInt8](repeating: 0xFF, count: 8) + Array("{}".utf8)),
    Case("header length 2^63", .headerLength, [0, 0, 0, 0, 0, 0, 0, 0x80] + Array("{}".utf8)),
    Case("not UTF-8", .notUTF8, [4, 0, 0, 0, 0, 0, 0, 0] + [0x7B, 0xFF, 0xFE, 0x7D]),
    Case("starts with a space", .syntax, safeTensors(" {}")),
    Case("an array", .syntax, safeTensors("[]")),
    Case("truncated object", .syntax, safeTensors("{\"t\":{\(f32)", data: 8)),
    Case("line end after the object", .syntax, safeTensors("{}\n")),
    Case("second object after the first", .syntax, safeTensors("{} {}")),
    Case("trailing comma", .syntax, safeTensors("{\"t\":{\(f32)},}", data: 8)),
    Case("single quotes", .syntax, safeTensors("{'t':{}}")),
    Case("raw control character in a name", .syntax, safeTensors("{\"a\u{1}\":{\(f32)}}", data: 8)),
    Case("lone surrogate in a name", .syntax, safeTensors("{\"\\ud800\":{\(f32)}}", data: 8)),
    Case("leading zero", .syntax, tensor: "\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]", data: 8),
    Case("same tensor twice", .duplicateKey, safeTensors("{\"t\":{\(f32)},\"t\":{\(f32)}}", data: 8)),
    Case(
      "same tensor twice, once escaped", .duplicateKey, safeTensors("{\"t\":{\(f32)},\"\\u0074\":{\(f32)}}", data: 8)),
    Case("dtype twice", .duplicateKey, tensor: "\"dtype\":\"F16\",\(f32)", data: 8),
    Case("metadata twice", .duplicateKey, safeTensors("{\"__metadata__\":{},\"__metadata__\":{}}")),
    Case("too deep", .limit, safeTensors("{\"t\":\(deep)}")),
    Case(
      "33 dimensions", .limit,
      tensor: "\"dtype\":\"F32\",\"shape\":[\(Array(repeating: "1", count: 33).joined(separator: ","))],"
        + "\"data_offsets\":[0,4]", data: 4),
    Case("control character in a name", .tensorName, safeTensors("{\"a\\u001b[2J\":{\(f32)}}", data: 8)),
    Case("tensor is a number", .syntax, safeTensors("{\"t\":1}")),
    Case("unknown member", .syntax, tensor: f32 + ",\"x\":1", data: 8),
    Case("unknown dtype", .elementType, tensor: "\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]", data: 8),
    Case("lower-case dtype", .elementType, tensor: "\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]", data: 8),
    Case("missing dtype", .elementType, tensor: "\"shape\":[2],\"data_offsets\":[0,8]", data: 8),
    Case("missing shape", .syntax, tensor: "\"dtype\":\"F32\",\"data_offsets\":[0,8]", data: 8),
    Case("missing offsets", .syntax, tensor: "\"dtype\":\"F32\",\"shape\":[2]", data: 8),
    Case("one offset", .syntax, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8]", data: 8),
    Case("three offsets", .syntax, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]", data: 8),
    Case("negative length", .number, tensor: "\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]", data: 8),
    Case("minus zero", .number, tensor: "\"dtype\":\"F32\",\"shape\":[-0],\"data_offsets\":[0,0]", data: 0),
    Case("fractional length", .number, tensor: "\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]", data: 8),
    Case("exponent", .number, tensor: "\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]", data: 8),
    Case("length as text", .number, tensor: "\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]", data: 8),
    Case(
      "length of 2^64", .number, tensor: "\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,8]",
      data: 8),
    Case("negative offset", .number, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]", data: 8),
    Case(
      "element count overflows to 4", .overflow,
      tensor: "\"dtype\":\"U8\",\"shape\":[4611686018427387905,4],\"data_offsets\":[0,4]", data: 4),
    Case(
      "byte count overflows to 8", .overflow,
      tensor: "\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]", data: 8),
    Case(
      "product overflows before a zero", .overflow,
      tensor: "\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]", data: 0),
    Case("half a byte", .overflow, tensor: "\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]", data: 2),
    Case("too few bytes", .byteCount, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]", data: 8),
    Case("too many bytes", .byteCount, tensor: "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]", data: 8),
    Case("begin after end", .offsetOrder, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]", data: 8),
    Case("end beyond the file", .outOfFile, tensor: f32, data: 7),
    Case(
      "end at 2^63 - 1", .outOfFile, tensor: "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]",
      data: 8),
    Case(
      "overlap", .overlap,
      safeTensors("{\"a\":{\(f32)},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", data: 12)),
    Case("two tensors on the same bytes", .overlap, safeTensors("{\"a\":{\(f32)},\"b\":{\(f32)}}", data: 8)),
    Case(
      "empty tensor inside another", .overlap,
      safeTensors("{\"a\":{\(f32)},\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", data: 8)),
    Case(
      "gap", .gap,
      safeTensors("{\"a\":{\(f32)},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", data: 16)),
    Case("gap at the start", .gap, tensor: "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]", data: 8),
    Case("bytes after the last tensor", .uncoveredTail, tensor: f32, data: 9),
    Case("data without tensors", .uncoveredTail, safeTensors("{}", data: 1)),
    Case("metadata is text", .metadata, safeTensors("{\"__metadata__\":\"pt\"}")),
    Case("metadata holds a number", .metadata, safeTensors("{\"__metadata__\":{\"step\":1}}")),
  ]

  @Test(arguments: cases) func isRefused(_ malformed: Case) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(malformed.bytes, "x.safetensors")
    for mapped in [true, false] {
      let error = #expect(throws: SafeTensorsError.self) { try SafeTensorsFile(path: path, mapped: mapped) }
      #expect(error?.rule == malformed.kind, "\(String(describing: error))")
      #expect(error?.file == path)
      #expect(error?.description.contains { $0.isNewline || $0 == "\u{1B}" } == false)
    }
  }

  @Test func everyPrefixOfAGoodFileIsRefused() throws {
    let folder = try ScratchFolder()
    let bytes = safeTensors(
      "{\"a\":{\(Self.f32)},\"b\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[8,11]}}", data: 11)
    #expect(try SafeTensorsFile(path: folder.write(bytes, "whole.safetensors")).names == ["a", "b"])
    for count in 0..<bytes.count {
      let path = try folder.write(Array(bytes[..<count]), "cut.safetensors")
      #expect(throws: SafeTensorsError.self) { try SafeTensorsFile(path: path) }
    }
  }

  /// Whatever single byte is changed, the file is refused or its tensors still cover exactly its data.
  @Test func anyChangedByteIsRefusedOrHarmless() throws {
    let folder = try ScratchFolder()
    let bytes = safeTensors(
      "{\"a\":{\(Self.f32)},\"b\":{\"dtype\":\"F16\",\"shape\":[3,1],\"data_offsets\":[8,14]}}", data: 14)
    var refused = 0
    for position in 0..<bytes.count - 14 {
      for change: UInt8 in [0x01, 0x10, 0x80] {
        var changed = bytes
        changed[position] ^= change
        let path = try folder.write(changed, "changed.safetensors")
        do throws(SafeTensorsError) {
          let file = try SafeTensorsFile(path: path)
          #expect(file.tensors.compactMap(\.byteCount).reduce(0, +) == 14)
        } catch {
          refused += 1
        }
      }
    }
    #expect(refused > 3 * (bytes.count - 14) / 2)
  }

  @Test func somethingElseThanAFileIsRefused() throws {
    let folder = try ScratchFolder()
    let open = { (path: String) in
      #expect(throws: SafeTensorsError.self) { try SafeTensorsFile(path: path) }?.rule
    }
    #expect(open(folder.path) == .notARegularFile)
    #expect(open("/dev/zero") == .notARegularFile)
    #expect(open(folder.path + "/absent") == .cannotOpen)
  }

  @Test func emptyTensorsAndScalarsAreLegal() throws {
    let folder = try ScratchFolder()
    let header =
      "{\"__metadata__\":{\"k\":\"v\"},\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
      + "\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]}}   "
    let file = try SafeTensorsFile(path: folder.write(safeTensors(header, data: 4), "x.safetensors"))
    #expect(file.metadata == ["k": "v"])
    #expect(try file.floats("s", shape: []) == [0])
    #expect(try file.floats("e", shape: [0, 7]) == [])
    #expect(file.shape(of: "e") == [0, 7])
  }

  /// As the reference implementation has them: é as one scalar and as two.
  @Test func namesAreToldApartByTheirBytes() throws {
    let folder = try ScratchFolder()
    let (one, two) = ("\u{E9}", "e\u{301}")
    let header =
      "{\"__metadata__\":{\"\(one)\":\"1\",\"\(two)\":\"2\"},"
      + "\"\(one)\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      + "\"\(two)\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}"
    let file = try SafeTensorsFile(path: folder.write(safeTensors(header, data: 12), "x.safetensors"))
    #expect(file.tensors.count == 2 && file.shape(of: one) == [1] && file.shape(of: two) == [2])
    // A dictionary of strings has room for one of them.
    #expect(file.metadata.count == 1)
    _ = try folder.write(
      Array("{\"weight_map\":{\"\(one)\":\"x.safetensors\",\"\(two)\":\"x.safetensors\"}}".utf8), "x.json")
    let sharded = try ShardedTensors(indexPath: folder.path + "/x.json")
    #expect(sharded.shape(of: one) == [1] && sharded.shape(of: two) == [2])
  }
}
