import Compute
import Failures
import Synchronization
import TestSupport
import Testing

@testable import ComputeCPU

/// Weights that a file holds: the same bytes and the same products as those of values in memory.
@Suite struct StoredWeightTests {
  /// Outputs and inputs around the panels of all instruction sets, of as many rows as three parts can have.
  private static let shapes = [(3, 1), (6, 7), (9, 64), (33, 18), (48, 33), (96, 130), (99, 65)]

  private func values(_ shape: (outputs: Int, inputs: Int), _ type: Precision) -> [Float] {
    var random = SeededRandom(seed: UInt64(shape.outputs * 1000 + shape.inputs))
    var values = (0..<shape.outputs * shape.inputs).map { _ in Float((random.uniform() - 0.5) * 4) }
    // Subnormal in half precision, and zeros of both signs.
    for (index, value) in [Float(0x1p-24), -0x1.8p-20, 0, -0].enumerated() where index < values.count {
      values[values.count - 1 - index] = value
    }
    return values.map { $0.rounded(to: type) }
  }

  /// The layout by its definition: panels of columns, bfloat16 in pairs of inputs.
  private func packed(_ values: [Float], _ weight: CPUWeight) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: weight.bytes)
    let (width, size) = (weight.tileColumns, weight.precision.bytes)
    for output in 0..<weight.outputs {
      for input in 0..<weight.inputs {
        let panel = output / width * weight.paddedInputs * width
        let column = output % width
        let place =
          weight.precision == .bf16 ? (input / 2 * width + column) * 2 + input % 2 : input * width + column
        let element = values[output * weight.inputs + input].bytes(as: weight.precision)
        bytes.replaceSubrange((panel + place) * size..<(panel + place + 1) * size, with: element)
      }
    }
    return bytes
  }

  private func bytes(of weight: CPUWeight) throws -> [UInt8] {
    guard case .packed(let memory) = weight.place else {
      Issue.record("the weight is not in memory")
      return []
    }
    return unsafe Array(UnsafeRawBufferPointer(start: memory.base, count: weight.bytes))
  }

  private func product(
    _ input: HostMatrix, _ weight: CPUWeight, _ side: Matmul<CPUBuffer, CPUWeight>.Side, on backend: CPUBackend
  ) throws -> HostMatrix {
    let output = try backend.makeMatrix(rows: input.rows, columns: side == .outputs ? weight.outputs : weight.inputs)
    try backend.matmul(Matmul(input: input.upload(to: backend), weight: weight, side: side, output: output))
    return try HostMatrix.download(output, from: backend)
  }

  @Test(arguments: CPUBackend.availableInstructionSets, Precision.allCases)
  func storedBytesArePackedAsValuesAre(_ set: InstructionSet, _ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, threads: 2, instructionSet: set)
    for type in Precision.allStored {
      for shape in Self.shapes {
        let values = values(shape, type)
        let reference = try backend.prepare(values.span, rows: shape.0, columns: shape.1)
        let expected = packed(values, reference)
        #expect(try bytes(of: reference) == expected, "\(type) \(shape), values")
        for (parts, offset) in [(1, 0), (1, 1), (3, 0), (3, 3)] {
          let stored = TestBytes.weight(values, type, parts: parts, offset: offset)
          let weight = try #require(try backend.prepare(stored, rows: shape.0, columns: shape.1, group: nil))
          // The other side wants it in memory at once.
          _ = try product(HostMatrix.random(1, shape.0, seed: 1), weight, .inputs, on: backend)
          #expect(try bytes(of: weight) == expected, "\(type) \(shape), \(parts) parts at \(offset)")
        }
      }
    }
  }

  /// The first product reads the file, the second packs, the third finds memory: all have the bits of a weight that was
  /// in memory from the start, for rows of less than a tile, of several pieces of work, and several passes.
  @Test(arguments: CPUBackend.availableInstructionSets, Precision.allCases)
  func productsOfStoredWeightsHaveTheSameBits(_ set: InstructionSet, _ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, threads: 3, instructionSet: set)
    for type in Precision.allStored {
      for (rows, outputs, inputs) in [(1, 300, 70), (5, 99, 301), (1300, 66, 35)] {
        let values = values((outputs, inputs), type)
        let input = HostMatrix.random(rows, inputs, seed: 7)
        let reference = try backend.prepare(values.span, rows: outputs, columns: inputs)
        let expected = try product(input, reference, .outputs, on: backend)
        let stored = TestBytes.weight(values, type, parts: 3, offset: 1)
        let weight = try #require(try backend.prepare(stored, rows: outputs, columns: inputs, group: nil))
        for use in 1...3 {
          let result = try product(input, weight, .outputs, on: backend)
          expectSameBits(result, expected, "\(type) \(outputs)×\(inputs), \(rows) rows, use \(use)")
          if case .packed = weight.place { #expect(use > 1) } else { #expect(use == 1) }
        }
        for part in stored.parts { #expect((part as? TestBytes)?.isHeld == false) }
      }
    }
  }

  /// A depth of several passes over the rows.
  @Test func manyRowsTakeSeveralPasses() throws {
    let backend = try CPUBackend(threads: 2)
    let (rows, outputs, inputs) = (1100, 40, 9000)
    let values = values((outputs, inputs), .f32)
    let input = HostMatrix.random(rows, inputs, seed: 8)
    let expected = try product(
      input, try backend.prepare(values.span, rows: outputs, columns: inputs), .outputs, on: backend)
    let stored = TestBytes.weight(values, .f32, parts: 1, offset: 0)
    let weight = try #require(try backend.prepare(stored, rows: outputs, columns: inputs, group: nil))
    expectSameBits(try product(input, weight, .outputs, on: backend), expected, "several passes")
  }

  /// Left to the way by values, which says which one it is.
  @Test(arguments: CPUBackend.availableInstructionSets, Precision.allCases)
  func whatTheStorageCannotHoldIsNotTaken(_ set: InstructionSet, _ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, threads: 2, instructionSet: set)
    func isTaken(_ value: Float, as type: Precision) throws -> Bool {
      var values = [Float](repeating: 1, count: 35 * 3)
      values[71] = value
      let stored = TestBytes.weight(values, type, parts: 3, offset: 0)
      return try backend.prepare(stored, rows: 3, columns: 35, group: nil) != nil
    }
    for type in Precision.allStored {
      for value in [Float.nan, -.nan, .infinity, -.infinity] {
        #expect(try !isTaken(value, as: type), "\(value) as \(type)")
      }
    }
    // The largest of each type, and what lies between them.
    #expect(try isTaken(65_504, as: .f16) && isTaken(-65_504, as: .f32))
    #expect(try isTaken(65_519.99, as: .f32))
    #expect(try isTaken(65_520, as: .f32) == (precision != .f16))
    #expect(try isTaken(-0x1p17, as: .bf16) == (precision != .f16))
    #expect(try isTaken(Float(bitPattern: 0x7f7f_7fff), as: .f32) == (precision != .f16))
    #expect(try isTaken(-Float(bitPattern: 0x7f7f_8000), as: .f32) == precision.isNearFloat32)
  }

  /// A file that can no longer be read is the input's fault, whichever product finds out, and no number comes of it.
  @Test func aLostFileIsSaid() throws {
    let backend = try CPUBackend(threads: 2)
    let values = values((9, 64), .f32)
    let input = HostMatrix.random(2, 64, seed: 3)
    for uses in 0...2 {
      let stored = TestBytes.weight(values, .f32, parts: 3, offset: 0)
      let last = try #require(stored.parts[2] as? TestBytes)
      let weight = try #require(try backend.prepare(stored, rows: 9, columns: 64, group: nil))
      for _ in 0..<uses { _ = try product(input, weight, .outputs, on: backend) }
      last.lose()
      if uses == 2 {
        // It is in memory.
        _ = try product(input, weight, .outputs, on: backend)
      } else {
        let error = try #require(throws: BackendError.self) { _ = try product(input, weight, .outputs, on: backend) }
        #expect(error.code == .weightLost && error.kind == .input)
        #expect(error.description.contains("load the model again"))
      }
      #expect(try backend.prepare(stored, rows: 9, columns: 64, group: nil) == nil)
    }
  }
}

/// Bytes that can be lost, between bytes that no weight may read.
@safe private final class TestBytes: StoredBytes, @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer
  private let offset: Int
  let count: Int
  private let state = Mutex((isHeld: false, isLost: false))

  init(_ bytes: [UInt8], offset: Int) {
    count = bytes.count
    self.offset = offset
    unsafe memory = .allocate(byteCount: bytes.count + 128, alignment: 64)
    for index in unsafe memory.indices { unsafe memory[index] = 0xff }
    for (index, byte) in bytes.enumerated() { unsafe memory[offset + index] = byte }
  }

  deinit { unsafe memory.deallocate() }

  static func weight(_ values: [Float], _ type: Precision, parts: Int, offset: Int) -> StoredWeight {
    let size = values.count / parts
    return StoredWeight(
      type: type,
      parts: (0..<parts).map { part in
        TestBytes(values[part * size..<(part + 1) * size].flatMap { $0.bytes(as: type) }, offset: offset)
      })
  }

  var isHeld: Bool { state.withLock { $0.isHeld } }
  func lose() { state.withLock { $0.isLost = true } }

  func bringIn() -> UnsafeRawPointer? {
    guard
      state.withLock({ state in
        state.isHeld = !state.isLost
        return state.isHeld
      })
    else { return nil }
    return unsafe UnsafeRawPointer(memory.baseAddress! + offset)
  }

  func letGo() { state.withLock { $0.isHeld = false } }
}

extension Float {
  /// The nearest value of that type, and of two equally near ones the even.
  fileprivate func rounded(to type: Precision) -> Float {
    switch type {
    case .f32, .bf16Split: self
    case .f16: Float(Float16(self))
    case .bf16:
      isFinite
        ? Float(bitPattern: (bitPattern &+ 0x7fff &+ (bitPattern >> 16 & 1)) & 0xffff_0000)
        : isNaN ? self : Float(bitPattern: bitPattern & 0xffff_0000)
    }
  }

  /// As a little-endian file has it.
  fileprivate func bytes(as type: Precision) -> [UInt8] {
    let bits =
      switch type {
      case .f32, .bf16Split: bitPattern
      case .f16: UInt32(Float16(self).bitPattern)
      case .bf16: rounded(to: .bf16).bitPattern >> 16
      }
    return (0..<type.bytes).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
  }
}
