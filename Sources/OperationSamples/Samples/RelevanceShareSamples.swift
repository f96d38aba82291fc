import Compute
import Failures

struct RelevanceShareSample: OperationSample {
  let rows: Int
  let prompts: Int
  let columns: Int
  /// Without a value, and not added to another.
  let isQuotient: Bool

  let operation = OperationName.relevanceShare
  let scalar = Scalar.float64
  var detail: String { "\(prompts)·\(rows)×\(columns)" + (isQuotient ? " quotient" : "") }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let relevance = try bench.input(rows: prompts * rows, columns: columns)
    let total = try bench.input(rows: rows, columns: columns, mean: 6)
    let value = isQuotient ? nil : try bench.input(rows: rows, columns: columns)
    let output = try bench.output(rows: prompts * rows, columns: columns)
    // Totals that the guard decides about have results of their own: they are so large that no other would be seen.
    let guarded = try bench.input(Self.nearZero, rows: 1, columns: Self.nearZero.count)
    let guardedOutput = try bench.output(rows: 1, columns: Self.nearZero.count)
    let guardedShare = RelevanceShare(
      of: try bench.input(rows: 1, columns: Self.nearZero.count, mean: 2, deviation: 0.1), total: guarded,
      output: guardedOutput)
    return { () throws(BackendError) in
      for accumulates in isQuotient ? [false] : [false, true] {
        try bench.backend.relevanceShare(
          RelevanceShare(of: relevance, total: total, value: value, accumulates: accumulates, output: output))
      }
      try bench.backend.relevanceShare(guardedShare)
    }
  }

  /// What is left out, where the guard leaves zero, and both sides of it.
  private static let nearZero = [0, -1e-9, 1e-9, -2e-9, 5e-10, -5e-10, 3e-9, -4e-9, 1e-8, 0, -1e-9, 2e-9]
}
