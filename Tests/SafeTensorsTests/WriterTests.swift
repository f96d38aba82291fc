import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing

struct WriterTests {
  static let pair = [
    TensorDescription(name: "b \"quoted\" \\ é", shape: [2], elementType: .f32),
    TensorDescription(name: "a", shape: [1, 3], elementType: .bf16),
  ]

  @Test func theFileIsExactlyTheFormat() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/x.safetensors"
    var writer = try SafeTensorsWriter(path: path, tensors: Self.pair, metadata: [:])
    #expect(writer.next?.shape == [2])
    try writer.append([1, -2])
    #expect(try folder.listing.allSatisfy { $0.hasPrefix(".") })
    try writer.append([1, 1.00390625, 1.01171875])
    #expect(writer.next == nil)
    try writer.finish()
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let header =
      "{\"b \\\"quoted\\\" \\\\ é\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      + "\"a\":{\"dtype\":\"BF16\",\"shape\":[1,3],\"data_offsets\":[8,14]}}"
    let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    // 1 + 2⁻⁸ lies half-way and goes to the even 1; 1 + 3·2⁻⁸ goes to the even 1 + 2·2⁻⁷.
    #expect(
      bytes == safeTensors(padded) + [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0] + [0x80, 0x3F, 0x80, 0x3F, 0x82, 0x3F])
    #expect(try SafeTensorsFile(path: path).names == ["a", "b \"quoted\" \\ é"])
  }

  @Test func nothingAppearsWhenTheWriterIsDropped() throws {
    let folder = try ScratchFolder()
    do {
      var writer = try SafeTensorsWriter(path: folder.path + "/x.safetensors", tensors: Self.pair)
      try writer.append([1, 2])
      let error = #expect(throws: SafeTensorsError.self) {
        try SafeTensorsWriter(path: folder.path + "/y.safetensors", tensors: Self.pair).finish()
      }
      #expect(error?.rule == .shape)
    }
    #expect(try folder.listing == [])
  }

  @Test func anExistingFileIsKeptUnlessOverwritingIsAskedFor() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([1, 2, 3], "x.safetensors")
    let tensors = [TensorDescription(name: "a", shape: [1], elementType: .f32)]
    let error = #expect(throws: SafeTensorsError.self) {
      try SafeTensorsWriter.write(path: path, tensors: tensors) { _ in [1] }
    }
    #expect(error?.rule == .exists)
    #expect([UInt8](try Data(contentsOf: URL(filePath: path))) == [1, 2, 3])
    try SafeTensorsWriter.write(path: path, tensors: tensors, overwrite: true) { _ in [1] }
    #expect(try SafeTensorsFile(path: path).floats("a", shape: [1]) == [1])
  }

  @Test func aFileThatAppearsMeanwhileIsKept() throws {
    let folder = try ScratchFolder()
    var writer = try SafeTensorsWriter(
      path: folder.path + "/x.safetensors", tensors: [TensorDescription(name: "a", shape: [1], elementType: .f32)])
    try writer.append([1])
    let path = try folder.write([1, 2, 3], "x.safetensors")
    var kind: SafeTensorsRule?
    do throws(SafeTensorsError) { try writer.finish() } catch { kind = error.rule }
    #expect(kind == .exists)
    #expect([UInt8](try Data(contentsOf: URL(filePath: path))) == [1, 2, 3])
    #expect(try folder.listing == ["x.safetensors"])
  }

  @Test(arguments: [
    (ElementType.f32, Float.infinity), (.f32, .nan), (.f16, .nan), (.f16, -.infinity), (.f16, 65_520), (.bf16, .nan),
    (.bf16, 3.4e38), (.bf16, -.infinity),
  ])
  func valuesThatDoNotFitAreNamed(type: ElementType, value: Float) throws {
    let folder = try ScratchFolder()
    let error = #expect(throws: SafeTensorsError.self) {
      try SafeTensorsWriter.write(
        path: folder.path + "/x.safetensors",
        tensors: [TensorDescription(name: "w", shape: [300_000], elementType: type)]
      ) { _ in
        var values = [Float](repeating: 1, count: 300_000)
        values[270_001] = value
        return values
      }
    }
    #expect(error?.rule == .nonFinite)
    #expect(error?.found == "\(value) at element 270001")
    #expect(try folder.listing == [])
  }

  @Test func tensorsThatCannotBeStoredAreRefused() throws {
    let folder = try ScratchFolder()
    let kind = { (tensors: [TensorDescription], values: [Float]) in
      #expect(throws: SafeTensorsError.self) {
        try SafeTensorsWriter.write(path: folder.path + "/x.safetensors", tensors: tensors) { _ in values }
      }?.rule
    }
    let good = TensorDescription(name: "a", shape: [1], elementType: .f32)
    #expect(kind([good, good], [1]) == .duplicateKey)
    #expect(kind([good], [1, 2]) == .shape)
    #expect(kind([TensorDescription(name: "a\n", shape: [1], elementType: .f32)], [1]) == .tensorName)
    #expect(kind([TensorDescription(name: "a", shape: [1], elementType: .i8)], [1]) == .elementType)
    #expect(kind([TensorDescription(name: "a", shape: [1 << 62], elementType: .f32)], [1]) == .overflow)
    #expect(kind([TensorDescription(name: "a", shape: [-1], elementType: .f32)], [1]) == .overflow)
    let error = #expect(throws: SafeTensorsError.self) {
      try SafeTensorsWriter.write(path: folder.path + "/absent/x.safetensors", tensors: [good]) { _ in [1] }
    }
    #expect(error?.rule == .cannotWrite)
  }
}
