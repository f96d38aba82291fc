import Compute
import Failures

struct KeyScoresSample: OperationSample {
  let sizes: AttentionSizes

  let operation = OperationName.keyScores
  var detail: String { sizes.detailWithPrompts }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = KeyScores(
      rows: try bench.input(rows: sizes.stacked, columns: sizes.width),
      tokens: try bench.input(rows: sizes.rows, columns: sizes.width), heads: sizes.heads, factor: 0.5,
      stack: sizes.stack, scores: try bench.output(rows: sizes.stacked * sizes.heads, columns: sizes.tokens))
    return { () throws(BackendError) in try bench.backend.keyScores(operation) }
  }
}
