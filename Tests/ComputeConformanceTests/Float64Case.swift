import Compute
import TestSupport
import Testing

/// One operation in float64 with its inputs: how a backend runs it, and what the oracle says it gives.
protocol Float64Case: Sendable, CustomTestStringConvertible {
  func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix]
  func expected() -> [DoubleMatrix]
}

extension TestBackend {
  /// The precision of weights plays no part.
  static let float64 = available.filter { $0.precision == .f32 && $0.hasFloat64 }

  private var hasFloat64: Bool {
    if case .openCL = self { TestDevice.hasFloat64 } else { true }
  }
}

/// Expects the oracle's values in every layout, to 1e-12 of the largest, the same bits twice, and nothing else touched.
func checkFloat64<B: Backend>(
  _ backend: B, _ test: some Float64Case, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let expected = test.expected()
  for layout in Layout.all {
    var runs: [[DoubleMatrix]] = []
    for _ in 0..<2 {
      let stage = Stage(backend, layout: layout)
      runs.append(try test.run(on: stage))
      try stage.expectSurroundingsIntact(sourceLocation: sourceLocation)
    }
    #expect(
      runs[0].map { $0.values.map(\.bitPattern) } == runs[1].map { $0.values.map(\.bitPattern) },
      "\(layout): other bits the second time", sourceLocation: sourceLocation)
    #expect(runs[0].count == expected.count, sourceLocation: sourceLocation)
    for (actual, expected) in zip(runs[0], expected) {
      let scale = expected.values.map(abs).max() ?? 0
      let worst = zip(actual.values, expected.values).map { abs($0 - $1) }.reduce(0) {
        $1.isNaN ? .infinity : max($0, $1)
      }
      #expect(
        actual.rows == expected.rows && actual.columns == expected.columns && worst <= 1e-12 * scale,
        "\(layout): off by \(worst) where the largest is \(scale)", sourceLocation: sourceLocation)
    }
  }
}

/// Expects the same bits whatever the number of threads.
func checkFloat64Schedules(
  _ backend: TestBackend, _ test: some Float64Case, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  func run<B: Backend>(_ backend: B) throws -> [[UInt64]] {
    try test.run(on: Stage(backend, layout: .tight)).map { $0.values.map(\.bitPattern) }
  }
  let alone = try run(backend.open(threads: 1))
  for threads in [2, 3, 16] {
    #expect(
      try run(backend.open(threads: threads)) == alone, "\(test.testDescription) on \(threads) threads",
      sourceLocation: sourceLocation)
  }
}
