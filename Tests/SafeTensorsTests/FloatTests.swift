import Failures
import FoundationEssentials
import TestSupport
import Testing

@testable import SafeTensors

/// Numbers in every stored type, against the standard library's own conversions.
struct FloatTests {
  @Test func everyHalfWidensAsTheStandardLibraryDoes() {
    for pattern in UInt16.min...UInt16.max {
      let expected = Float(Float16(bitPattern: pattern))
      let widened = Float(bitPattern: float32Bits(half: pattern))
      if expected.isNaN {
        #expect(widened.isNaN)
      } else {
        #expect(widened.bitPattern == expected.bitPattern, "\(pattern)")
      }
    }
  }

  /// All exponents, with mantissas around every rounding boundary of both 16-bit types.
  static let probes: [Float] = {
    var probes: [Float] = [0, -0.0, 65_504, 65_519.996, -65_519.996, 3.3895314e38, 5.9604645e-8, 2.9802322e-8]
    for exponent: UInt32 in 0...254 {
      for mantissa: UInt32 in [
        0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x1_7FFF, 0x1_8000,
        0x1_8001, 0x7F_EFFF, 0x7F_F000, 0x7F_FFFF, 0x40_0000, 0x12_3456,
      ] {
        probes.append(Float(bitPattern: exponent << 23 | mantissa))
        probes.append(Float(bitPattern: 1 << 31 | exponent << 23 | mantissa))
      }
    }
    return probes
  }()

  @Test func halvesRoundToNearestEven() {
    for probe in Self.probes {
      #expect(halfBits(float32: probe.bitPattern) == Float16(probe).bitPattern, "\(probe)")
    }
  }

  @Test func bfloat16RoundsToNearestEven() {
    for probe in Self.probes {
      let truncated = probe.bitPattern & 0xFFFF_0000
      let below = Double(Float(bitPattern: truncated))
      let next = Float(bitPattern: truncated &+ 0x1_0000)
      let above = next.isFinite ? Double(next) : (probe < 0 ? -0x1p128 : 0x1p128)
      let (down, up) = (abs(Double(probe) - below), abs(above - Double(probe)))
      let roundsUp = up < down || (up == down && truncated & 0x1_0000 != 0)
      let expected = UInt16((roundsUp ? truncated &+ 0x1_0000 : truncated) >> 16)
      #expect(bfloat16Bits(float32: probe.bitPattern) == expected, "\(probe)")
    }
  }

  @Test(arguments: [ElementType.f32, .f16, .bf16], [1, 7, 64, 1_021, 300_007])
  func whatIsWrittenReadsBack(type: ElementType, count: Int) throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/x.safetensors"
    var values = (0..<count).map { index -> Float in
      let scale = Float(bitPattern: UInt32(100 + index % 40) << 23)
      let mantissa = Float(index * 2_654_435_761 % 1_000_003) / 500_001 - 1
      return mantissa * scale
    }
    values[0] = 5.9604645e-8
    try SafeTensorsWriter.write(
      path: path,
      tensors: [
        TensorDescription(name: "odd", shape: [1], elementType: .f16),
        TensorDescription(name: "values", shape: [count, 1], elementType: type),
        TensorDescription(name: "empty", shape: [0], elementType: type),
      ]
    ) { tensor in
      switch tensor.name {
      case "odd": [0.5]
      case "values": values
      default: []
      }
    }
    let expected =
      switch type {
      case .f16: values.map { Float(Float16($0)) }
      case .bf16: values.map { Float(bitPattern: UInt32(bfloat16Bits(float32: $0.bitPattern)) << 16) }
      default: values
      }
    for mapped in [true, false] {
      let file = try SafeTensorsFile(path: path, mapped: mapped)
      #expect(try file.floats("values", shape: [count, 1]) == expected)
      #expect(try file.floats("odd", shape: [1]) == [0.5])
      #expect(try file.floats("empty", shape: [0]) == [])
      #expect(file.elementType(of: "values") == type)
      #expect(file.metadata == ["format": "pt"])
    }
    #expect(try folder.listing == ["x.safetensors"])
  }

  @Test func doublesRoundToFloats() throws {
    let folder = try ScratchFolder()
    let values = [0.1, -1e-45, 16_777_217, 1e38]
    let header = "{\"d\":{\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[0,32]}}"
    let data = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
    let file = try SafeTensorsFile(path: folder.write(safeTensors(header) + data, "x.safetensors"))
    #expect(try file.floats("d", shape: [4]) == values.map { Float($0) })
    #expect(try file.doubles("d", shape: [4]) == values)
    #expect(throws: SafeTensorsError.self) { try file.doubles("d", shape: [2, 2]) }
  }

  @Test(
    arguments: [
      ("F32", [0, 0, 0x80, 0x7F]), ("F32", [1, 0, 0x80, 0xFF]), ("F16", [0, 0x7C]), ("F16", [1, 0xFC]),
      ("BF16", [0x80, 0x7F]),
      ("BF16", [0xC0, 0xFF]), ("F64", [0, 0, 0, 0, 0, 0, 0xF0, 0x7F]), ("F64", [0, 0, 0, 0, 0, 0, 0x00, 0x48]),
    ] as [(String, [UInt8])])
  func weightsThatAreNotFiniteAreNamed(type: String, element: [UInt8]) throws {
    let folder = try ScratchFolder()
    let count = 300_001
    let place = 299_993
    let bytes = count * element.count
    let header = "{\"w\":{\"dtype\":\"\(type)\",\"shape\":[\(count)],\"data_offsets\":[0,\(bytes)]}}"
    var file = safeTensors(header, data: bytes)
    file.replaceSubrange(
      file.count - bytes + place * element.count..<file.count - bytes + (place + 1) * element.count, with: element)
    let path = try folder.write(file, "x.safetensors")
    for mapped in [true, false] {
      let error = #expect(throws: SafeTensorsError.self) {
        try SafeTensorsFile(path: path, mapped: mapped).floats("w", shape: [count])
      }
      // What is too large for float32 alone is a number in float64.
      if element != [0, 0, 0, 0, 0, 0, 0x00, 0x48] {
        let inDouble = #expect(throws: SafeTensorsError.self) {
          try SafeTensorsFile(path: path, mapped: mapped).doubles("w", shape: [count])
        }
        #expect(inDouble?.description == error?.description)
      }
      #expect(error?.rule == .nonFinite)
      #expect(error?.place == "tensor \"w\"")
      #expect(error?.found.hasSuffix("element \(place)") == true, "\(String(describing: error))")
    }
  }

  @Test func rowsAreThoseOfTheWholeTensor() throws {
    for path in ["clip/model/open_clip_model.safetensors", "clip-odd/model/open_clip_model.safetensors"] {
      let file = try SafeTensorsFile(path: Fixtures.path(path))
      let shape = try #require(file.shape(of: "token_embedding.weight"))
      let whole = try file.floats("token_embedding.weight", shape: shape)
      let indices = [773, 0, 5, 5, 772]
      let expected = indices.flatMap { whole[$0 * shape[1]..<($0 + 1) * shape[1]] }
      for mapped in [true, false] {
        let reader = try SafeTensorsFile(path: Fixtures.path(path), mapped: mapped)
        #expect(try reader.rows("token_embedding.weight", indices: indices, columns: shape[1]) == expected)
        #expect(try reader.rows("token_embedding.weight", indices: [], columns: shape[1]) == [])
      }
    }
  }

  @Test func wrongRequestsAreNamed() throws {
    let file = try SafeTensorsFile(path: Fixtures.path("clip/model/open_clip_model.safetensors"))
    let kind = { (body: () throws -> [Float]) in #expect(throws: SafeTensorsError.self) { _ = try body() }?.rule }
    #expect(kind { try file.floats("absent", shape: [1]) } == .missingTensor)
    #expect(kind { try file.floats("ln_final.weight", shape: [47]) } == .shape)
    #expect(kind { try file.floats("ln_final.weight", shape: [1, 48]) } == .shape)
    #expect(kind { try file.rows("token_embedding.weight", indices: [774], columns: 48) } == .rowIndex)
    #expect(kind { try file.rows("token_embedding.weight", indices: [-1], columns: 48) } == .rowIndex)
    #expect(kind { try file.rows("token_embedding.weight", indices: [0], columns: 47) } == .shape)
    #expect(kind { try file.rows("ln_final.weight", indices: [0], columns: 48) } == .shape)
    let folder = try ScratchFolder()
    let integers = "{\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}"
    let other = try SafeTensorsFile(path: folder.write(safeTensors(integers, data: 8), "x.safetensors"))
    #expect(kind { try other.floats("i", shape: [1]) } == .notFloats)
  }
}
