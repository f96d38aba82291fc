import Compute
import Failures

/// With the column of ones that the tokens of poolers carry.
struct TokenSumsSample: OperationSample {
  let sizes: AttentionSizes

  let operation = OperationName.tokenSums
  var detail: String { sizes.detailWithPrompts }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = sizes.stacked * sizes.heads
    let operation = TokenSums(
      weights: try bench.input(rows: rows, columns: sizes.tokens, mean: 2),
      tokens: try bench.input(rows: sizes.rows, columns: sizes.width + 1),
      sums: try bench.output(rows: rows, columns: sizes.width + 1))
    return { () throws(BackendError) in try bench.backend.tokenSums(operation) }
  }
}

struct TokenSumsBackwardSample: OperationSample {
  let sizes: AttentionSizes

  let operation = OperationName.tokenSumsBackward
  var detail: String { sizes.detailWithPrompts }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = sizes.stacked * sizes.heads
    let operation = TokenSumsBackward(
      weights: try bench.input(rows: rows, columns: sizes.tokens, mean: 2),
      upstream: try bench.input(rows: rows, columns: sizes.width + 1),
      gradient: try bench.output(rows: sizes.stacked * sizes.tokens, columns: sizes.width + 1))
    return { () throws(BackendError) in try bench.backend.tokenSumsBackward(operation) }
  }
}
