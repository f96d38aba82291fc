import Compute
import ComputeCPU
import Testing

/// The roof that benchmarks compare with.
struct PeakTests {
  @Test(arguments: CPUBackend.availableInstructionSets)
  func peakIsPositiveAndFinite(_ instructionSet: InstructionSet) throws {
    let backend = try CPUBackend(instructionSet: instructionSet)
    let peak = try backend.measurePeak()
    #expect(peak.isFinite && peak > 0, "\(instructionSet)")
    // More than a processor of any kind does: a burst that the compiler removed, or a clock that stood still.
    #expect(peak < 1e15, "\(instructionSet)")
  }

  /// The backend computes as before once its peak is measured.
  @Test func operationsFollowAPeak() throws {
    let backend = try CPUBackend(threads: 3)
    _ = try backend.measurePeak()
    let matrix = try backend.makeMatrix(rows: 2, columns: 5)
    try backend.fill(Fill(matrix, with: 7))
    var values = [Float](repeating: 0, count: 10)
    var span = values.mutableSpan
    try backend.download(matrix, into: &span)
    #expect(values == [Float](repeating: 7, count: 10))
  }
}
