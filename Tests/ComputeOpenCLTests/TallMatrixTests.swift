import Compute
import ComputeOpenCL
import TestSupport
import Testing

/// A CUDA device takes 65535 groups in the dimension of rows: a matrix with more goes through the same work-items again.
struct TallMatrixTests {
  @Test(.enabled(if: TestDevice.first != nil), arguments: KernelVariant.allCases)
  func everyRowIsComputed(_ variant: KernelVariant) throws {
    let backend = try TestDevice.backend(variant)
    let rows = 2 * 65535 + 3
    let input = HostMatrix(rows: rows, columns: 1, values: (0..<rows).map { Float($0) })
    let addend = HostMatrix(rows: 1, columns: 1, values: [0.25])
    let output = try backend.makeMatrix(rows: rows, columns: 1)
    try backend.addRows(
      AddRows(input: input.upload(to: backend), addend: addend.upload(to: backend), output: output))
    let sums = try HostMatrix.download(output, from: backend)
    #expect(sums.values.indices.allSatisfy { sums.values[$0] == Float($0) + 0.25 })
  }
}
