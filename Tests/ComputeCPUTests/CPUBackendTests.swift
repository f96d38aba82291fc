import Compute
import TestSupport
import Testing

@testable import ComputeCPU

@Suite struct CPUBackendTests {
  @Test func memoryThatCannotBeHadIsSaid() throws {
    let backend = try CPUBackend(threads: 1)
    for (rows, columns) in [(Int.max, 2), (1 << 40, 1 << 15), (1 << 61, 1)] {
      let error = try #require(throws: BackendError.self) { _ = try backend.makeMatrix(rows: rows, columns: columns) }
      #expect(error.code == .outOfMemory)
      #expect(error.operation == .makeMatrix)
      #expect(error.bytesNeeded ?? 0 >= 1 << 40)
    }
  }

  /// Sizes around the tiles, blocks and passes, whose pieces of work differ with the number of threads.
  @Test(arguments: CPUBackend.availableInstructionSets, Precision.allCases)
  func bitsDoNotDependOnThreads(_ set: InstructionSet, _ precision: Precision) throws {
    func products(threads: Int) throws -> [HostMatrix] {
      let backend = try CPUBackend(precision: precision, threads: threads, instructionSet: set)
      return try [(1, 130, 530), (7, 257, 65), (271, 49, 37)].flatMap { rows, outputs, inputs in
        let weight = try HostMatrix.random(outputs, inputs, seed: 41).prepare(on: backend)
        let forward = try backend.makeMatrix(rows: rows, columns: outputs)
        try backend.matmul(
          Matmul(input: HostMatrix.random(rows, inputs, seed: 42).upload(to: backend), weight: weight, output: forward))
        let backward = try backend.makeMatrix(rows: rows, columns: inputs)
        try backend.matmul(Matmul(input: forward, weight: weight, side: .inputs, output: backward))
        return [try HostMatrix.download(forward, from: backend), try HostMatrix.download(backward, from: backend)]
      }
    }
    let alone = try products(threads: 1)
    for threads in [2, 3, 7] {
      for (result, expected) in zip(try products(threads: threads), alone) {
        expectSameBits(result, expected, "\(threads) threads")
      }
    }
  }

  /// A row gives the same bits alone, in the company of fewer rows than a tile, and of many tiles.
  @Test(arguments: CPUBackend.availableInstructionSets, Precision.allCases)
  func bitsDoNotDependOnOtherRows(_ set: InstructionSet, _ precision: Precision) throws {
    let backend = try CPUBackend(precision: precision, threads: 2, instructionSet: set)
    let (outputs, inputs, rows) = (75, 700, 61)
    let weight = try HostMatrix.random(outputs, inputs, seed: 51).prepare(on: backend)
    let input = HostMatrix.random(rows, inputs, seed: 52)
    let gradient = HostMatrix.random(rows, outputs, seed: 53)
    func products(_ range: Range<Int>) throws -> [HostMatrix] {
      let forward = try backend.makeMatrix(rows: range.count, columns: outputs)
      let backward = try backend.makeMatrix(rows: range.count, columns: inputs)
      try backend.matmul(Matmul(input: input.rows(range).upload(to: backend), weight: weight, output: forward))
      try backend.matmul(
        Matmul(input: gradient.rows(range).upload(to: backend), weight: weight, side: .inputs, output: backward))
      return [try HostMatrix.download(forward, from: backend), try HostMatrix.download(backward, from: backend)]
    }
    let all = try products(0..<rows)
    for range in [0..<1, 60..<61, 3..<8, 5..<18, 1..<60] {
      for (part, whole) in zip(try products(range), all) {
        expectSameBits(part, whole.rows(range), "rows \(range)")
      }
    }
  }

  @Test func tasksShareABackend() async throws {
    let backend = try CPUBackend(threads: 3)
    let weight = try HostMatrix.random(50, 40, seed: 61).prepare(on: backend)
    let inputs = (0..<8).map { HostMatrix.random(29, 40, seed: 62 + UInt64($0)) }
    func product(_ input: HostMatrix) throws -> HostMatrix {
      let output = try backend.makeMatrix(rows: 29, columns: 50)
      try backend.matmul(Matmul(input: input.upload(to: backend), weight: weight, output: output))
      return try HostMatrix.download(output, from: backend)
    }
    let alone = try inputs.map(product)
    try await withThrowingTaskGroup(of: (Int, HostMatrix).self) { group in
      for round in 0..<80 { group.addTask { (round % 8, try product(inputs[round % 8])) } }
      for try await (index, result) in group { expectSameBits(result, alone[index], "input \(index)") }
    }
  }

  @Test func trafficIsCounted() throws {
    let backend = try CPUBackend(threads: 1)
    let before = backend.traffic
    let matrix = try HostMatrix.random(3, 7, seed: 71).upload(to: backend)
    _ = try HostMatrix.download(matrix.rows(0..<2).columns(1..<4), from: backend)
    let moved = backend.traffic - before
    #expect(moved.uploadedBytes == 3 * 7 * 4)
    #expect(moved.downloadedBytes == 2 * 3 * 4)
    #expect(moved.weightBytes == 0)
  }
}
