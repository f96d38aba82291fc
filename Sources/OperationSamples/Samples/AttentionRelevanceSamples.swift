import Compute
import Failures

struct AttentionRelevanceSample: OperationSample {
  let sizes: AttentionSizes

  let operation = OperationName.attentionRelevance
  var detail: String { sizes.detailWithPrompts }
  var arithmetic: Double { sizes.product }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = AttentionRelevance(
      outputGradient: try bench.input(rows: sizes.stacked * sizes.tokens, columns: sizes.width),
      values: try FusedProjection(sizes, on: bench).values, heads: sizes.heads, stack: sizes.stack,
      relevance: try bench.output(rows: sizes.stacked, columns: sizes.tokens))
    return { () throws(BackendError) in try bench.backend.attentionRelevance(operation) }
  }
}
