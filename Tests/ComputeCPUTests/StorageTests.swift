import CSimd
import Compute
import Failures
import TestSupport
import Testing

@testable import ComputeCPU

/// How weights are stored, bit by bit.
@Suite struct StorageTests {
  /// What a backend makes of `values`, one at a time: a product with the unit matrix.
  private func stored(
    _ values: [Float], precision: Precision, set: InstructionSet, side: Matmul<CPUBuffer, CPUWeight>.Side
  )
    throws -> [Float]
  {
    // Without pairs, so that the other operand is not rounded.
    let backend = try CPUBackend(precision: precision, threads: 1, instructionSet: set, multipliesPairs: false)
    let columns = 64
    let rows = (values.count + columns - 1) / columns
    let padded = values + [Float](repeating: 0, count: rows * columns - values.count)
    let weight = try backend.prepare(padded.span, rows: rows, columns: columns)
    let size = side == .outputs ? columns : rows
    var unit = HostMatrix(rows: size, columns: size, repeating: 0)
    for index in 0..<size { unit[index, index] = 1 }
    let output = try backend.makeMatrix(rows: size, columns: rows * columns / size)
    try backend.matmul(Matmul(input: unit.upload(to: backend), weight: weight, side: side, output: output))
    let result = try HostMatrix.download(output, from: backend)
    var out = [Float](repeating: 0, count: values.count)
    for index in out.indices {
      let (row, column) = (index / columns, index % columns)
      out[index] = side == .outputs ? result[column, row] : result[row, column]
    }
    return out
  }

  @Test(arguments: CPUBackend.availableInstructionSets, [Matmul<CPUBuffer, CPUWeight>.Side.outputs, .inputs])
  func everyHalfComesBack(_ set: InstructionSet, _ side: Matmul<CPUBuffer, CPUWeight>.Side) throws {
    let positive = (UInt16(0)..<0x7c00).map { Float(Float16(bitPattern: $0)) }
    let halves = positive + positive.map { -$0 }
    #expect(try stored(halves, precision: .f16, set: set, side: side) == halves)
  }

  @Test(arguments: CPUBackend.availableInstructionSets, [Matmul<CPUBuffer, CPUWeight>.Side.outputs, .inputs])
  func everyBrainFloatComesBack(_ set: InstructionSet, _ side: Matmul<CPUBuffer, CPUWeight>.Side) throws {
    let positive = (UInt32(0)..<0x7f80).map { Float(bitPattern: $0 << 16) }
    let floats = positive + positive.map { -$0 }
    #expect(try stored(floats, precision: .bf16, set: set, side: side) == floats)
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func halvesRoundToNearestEven(_ set: InstructionSet) throws {
    var random = SeededRandom(seed: 31)
    var values = (0..<20_000).map { _ in Float((random.uniform() - 0.5) * 1e5) }
    values += (0..<20_000).map { _ in Float((random.uniform() - 0.5) * 0x1p-12) }
    // Ties, in the normal and in the subnormal range, and the last value before the overflow.
    let ties = (0..<2_000).map { Float($0) + 0.5 }
    values += ties.map { 1 + $0 * 0x1p-10 }
    values += ties.map { $0 * 0x1p-24 }
    values.append(65_519.99)
    #expect(try stored(values, precision: .f16, set: set, side: .outputs) == values.map { Float(Float16($0)) })
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func brainFloatsRoundToNearestEven(_ set: InstructionSet) throws {
    var random = SeededRandom(seed: 32)
    var values = (0..<40_000).map { _ in Float((random.uniform() - 0.5) * 8) }
    values += (0..<2_000).map { 1 + (Float($0) + 0.5) * 0x1p-7 }
    // The definition: the nearer neighbour, and of two equally near ones the even.
    let expected = values.map { value in
      let below = Float(bitPattern: value.bitPattern & 0xffff_0000)
      let above = Float(bitPattern: (value.bitPattern & 0xffff_0000) &+ 0x1_0000)
      let (toBelow, toAbove) = (abs(Double(value) - Double(below)), abs(Double(value) - Double(above)))
      if toBelow == toAbove { return below.bitPattern & 0x1_0000 == 0 ? below : above }
      return toBelow < toAbove ? below : above
    }
    #expect(try stored(values, precision: .bf16, set: set, side: .outputs) == expected)
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func valuesBeyondTheRangeAreRefused(_ set: InstructionSet) throws {
    let half = try CPUBackend(precision: .f16, threads: 2, instructionSet: set)
    let values: [Float] = [1, 65_520, -1e6, 3, .infinity, 2]
    let error = try #require(throws: BackendError.self) { _ = try half.prepare(values.span, rows: 2, columns: 3) }
    #expect(error.code == .unsupported)
    #expect(error.description.contains("2 values") && error.description.contains("f32"))
    let brain = try CPUBackend(precision: .bf16, threads: 2, instructionSet: set)
    let huge: [Float] = [.greatestFiniteMagnitude, 1]
    #expect(throws: BackendError.self) { _ = try brain.prepare(huge.span, rows: 1, columns: 2) }
  }

  /// The packed layout of pairs as the processors with an instruction for them read it:
  /// `[outputs / columns][inputs / 2][columns]` words, the lower input in the lower half.
  @Test(arguments: CPUBackend.availableInstructionSets, [(1, 1), (5, 7), (33, 18), (64, 65)])
  func pairsLieAsWords(_ set: InstructionSet, _ shape: (outputs: Int, inputs: Int)) throws {
    let backend = try CPUBackend(precision: .bf16, threads: 2, instructionSet: set)
    // Small integers are exact in bfloat16.
    var values = [Float](repeating: 0, count: shape.outputs * shape.inputs)
    for index in values.indices { values[index] = Float(index % 251 + 1) }
    let weight = try backend.prepare(values.span, rows: shape.outputs, columns: shape.inputs)
    let width = weight.tileColumns
    #expect(weight.bytes == (shape.outputs + width - 1) / width * width * weight.paddedInputs * 2)
    #expect(backend.traffic.weightBytes == weight.bytes)
    guard case .packed(let memory) = weight.place else {
      Issue.record("the weight is not in memory")
      return
    }
    let count = weight.bytes / 4
    let words = unsafe UnsafeBufferPointer(
      start: memory.base.assumingMemoryBound(to: UInt32.self), count: count)
    func half(_ output: Int, _ input: Int) -> UInt32 {
      guard output < shape.outputs && input < shape.inputs else { return 0 }
      return values[output * shape.inputs + input].bitPattern >> 16
    }
    var wrong = 0
    for index in 0..<count {
      let (panel, inside) = (index / (weight.paddedInputs / 2 * width), index % (weight.paddedInputs / 2 * width))
      let (output, input) = (panel * width + inside % width, inside / width * 2)
      if unsafe words[index] != half(output, input) | half(output, input + 1) << 16 { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  /// Products of pairs round both operands to bfloat16 and nothing else: with operands that are bfloat16 already and
  /// sums that are exact in float32, every bit is known.
  @Test(
    arguments: CPUBackend.availableInstructionSets, [Matmul<CPUBuffer, CPUWeight>.Side.outputs, .inputs])
  func productsOfPairsAreExactForSmallIntegers(_ set: InstructionSet, _ side: Matmul<CPUBuffer, CPUWeight>.Side) throws
  {
    let backend = try CPUBackend(precision: .bf16, threads: 2, instructionSet: set, multipliesPairs: true)
    let (rows, outputs, inputs) = (13, 67, 301)
    func integers(_ count: Int, _ step: Int) -> [Float] { (0..<count).map { Float($0 * step % 31 - 15) } }
    let weight = HostMatrix(rows: outputs, columns: inputs, values: integers(outputs * inputs, 17))
    let depth = side == .outputs ? inputs : outputs
    let columns = side == .outputs ? outputs : inputs
    let input = HostMatrix(rows: rows, columns: depth, values: integers(rows * depth, 23))
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.matmul(
      Matmul(input: input.upload(to: backend), weight: weight.prepare(on: backend), side: side, output: output))
    let result = try HostMatrix.download(output, from: backend)
    var wrong = 0
    for row in 0..<rows {
      for column in 0..<columns {
        var sum: Float = 0
        for k in 0..<depth { sum += input[row, k] * (side == .outputs ? weight[column, k] : weight[k, column]) }
        if result[row, column] != sum { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }
}
