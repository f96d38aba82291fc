import Compute
import Failures

struct RowThroughMapSample: OperationSample {
  let sizes: AttentionSizes
  let hasGradient: Bool

  let operation = OperationName.rowThroughMap
  var detail: String { sizes.detailWithPrompts + (hasGradient ? " gradient" : "") }
  var arithmetic: Double { (hasGradient ? 2 : 1) * sizes.product }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (tokens, stacked) = (sizes.tokens, sizes.stacked)
    let fused = try FusedProjection(sizes, on: bench)
    var gradient: RowThroughMap<B.Buffer>.Gradient?
    if hasGradient {
      gradient = .init(
        output: try bench.input(rows: stacked * tokens, columns: sizes.width), values: fused.values)
    }
    let operation = RowThroughMap(
      row: try bench.input(rows: stacked, columns: tokens, mean: 2), queries: fused.queries, keys: fused.keys,
      gradient: gradient, heads: sizes.heads, stack: sizes.stack, factor: 0.5,
      output: try bench.output(rows: stacked, columns: tokens))
    return { () throws(BackendError) in try bench.backend.rowThroughMap(operation) }
  }
}
