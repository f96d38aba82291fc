import Compute
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL

struct ProductTileTests {
  /// Which tile computes a product is chosen by its shape and the device; the bits must not tell.
  @Test(.enabled(if: TestDevice.first != nil), arguments: [false, true], Precision.allStored)
  func allTilesGiveTheSameBits(_ byInputs: Bool, _ precision: Precision) throws {
    let backend = try TestDevice.shared(.portable, precision)
    // One more than the largest tile, and a depth that no step divides.
    let (tokens, prompts, inner, columns) = (65, 2, 83, 129)
    let input = try HostMatrix.random(tokens, inner, seed: 1).upload(to: backend)
    let scales = try HostMatrix.random(prompts, inner, seed: 2).upload(to: backend)
    let weight = try HostMatrix.random(byInputs ? inner : columns, byInputs ? columns : inner, seed: 3)
      .prepare(on: backend)
    let output = try backend.makeMatrix(rows: tokens * prompts, columns: columns)
    let product = Matmul(
      input: input, inputScale: .init(scales: scales, stack: RowStack(copies: prompts, rows: tokens)),
      weight: weight, side: byInputs ? .inputs : .outputs, output: output)
    try backend.matmul(product)
    let expected = try HostMatrix.download(output, from: backend)
    for tile in PortableTile.all {
      for unrolling in PortableTile.Unrolling.allCases {
        try backend.fill(Fill(output, with: .nan))
        try backend.perform(.matmul) { stream throws(OpenCLError) in
          try backend.portableMatmul(product, by: tile, unrolling, on: stream)
        }
        expectSameBits(
          try HostMatrix.download(output, from: backend), expected, "\(tile.rows)×\(tile.columns), \(unrolling)")
      }
    }
  }

  @Test func fewRowsTakeFlatTilesAndManyRowsLargeOnes() {
    func rows(_ rows: Int, _ columns: Int) -> Int {
      PortableTile.best(rows: rows, columns: columns, computeUnits: 132).rows
    }
    #expect(rows(1, 8192) == 16)
    #expect(rows(257, 8192) == 64)
    #expect(rows(64 * 257, 8192) == 128)
  }

  /// Items cover every tile once, and scratch memory does not grow with the rows.
  @Test(arguments: [(1, 3, 7), (197, 768, 3072), (257, 8192, 1664), (64 * 257, 1664, 8192), (12 * 528 + 1, 33, 65)])
  func theScheduleOfTheCPUVariantCoversAllRows(_ rows: Int, _ columns: Int, _ depth: Int) {
    for computeUnits in [1, 2, 64] {
      let schedule = CPUProductSchedule(rows: rows, columns: columns, depth: depth, computeUnits: computeUnits)
      #expect(schedule.panels == (columns + 31) / 32)
      #expect(schedule.tilesPerItem >= 1 && schedule.tilesPerItem <= 44)
      // A pass begins where a row tile does.
      #expect(schedule.rowsPerPass % 12 == 0)
      let pass = min(rows, schedule.rowsPerPass)
      #expect(schedule.packedFloats(rows: pass) <= max(8 << 20, 528 * depth))
      #expect(schedule.sumFloats(rows: pass) <= max(8 << 20, 528 * 32 * schedule.panels))
    }
  }
}
