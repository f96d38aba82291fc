import CFaultyOpenCL
import Compute
import TestSupport
import Testing

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// A driver whose writes come as late as OpenCL allows: a blocking one that returns says nothing of those before it.
  @Suite(OwnProgramCache()) struct LateWriteTests {
    /// Host memory that goes back too early is given to somebody else, or has the allocator's own notes in it.
    @Test(arguments: KernelVariant.allCases, [1, 4, 33, 5000])
    func whatWasUploadedBeforeAWeightArrives(_ variant: KernelVariant, _ columns: Int) throws {
      var options = OpenCLBackend.Options()
      options.variant = variant
      options.cacheFolder = OwnProgramCache.folder
      let backend = try OpenCLBackend(
        WatchedOpenCL.device(), precision: variant.finestPrecision, options: options)
      let wide = try backend.makeMatrix(rows: 3, columns: columns + 2)
      let whole = try backend.makeMatrix(rows: 3, columns: columns)
      legrad_faulty_write_late(true)
      defer { legrad_faulty_write_late(false) }
      let values = HostMatrix.random(3, columns, seed: 5)
      try backend.upload(values.values.span, to: wide.columns(1..<columns + 1))
      try backend.upload(values.values.span, to: whole)
      let weight = HostMatrix.random(7, 11, seed: 6)
      _ = try backend.prepare(weight.values.span, rows: 7, columns: 11)
      let others = (0..<8).map { _ in HostCopy(values.values.map { _ in Float.nan }.span) }
      let arrived = try [wide.columns(1..<columns + 1), whole].map { try HostMatrix.download($0, from: backend) }
      for matrix in arrived { expectSameBits(matrix, values, "3×\(columns)") }
      withExtendedLifetime(others) {}
    }

    @Test(arguments: KernelVariant.allCases, [false, true])
    func anExplanationHasTheSameBits(_ variant: KernelVariant, _ isStreaming: Bool) throws {
      let work = try TinyWork()
      func explain() throws -> (TinyWork.Result, TinyWork.Result) {
        let explainer = try work.explainer(variant) { $0.streamsWeights = isStreaming }.explainer
        return try (work.explain(explainer), work.explain(explainer))
      }
      let reference = try explain().0
      legrad_faulty_write_late(true)
      defer { legrad_faulty_write_late(false) }
      let results = try explain()
      #expect(results.0.hasBits(of: reference) && results.1.hasBits(of: reference))
    }
  }
}
