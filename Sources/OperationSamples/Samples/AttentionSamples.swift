import Compute
import Failures

struct AttentionSample: OperationSample {
  let sizes: AttentionSizes
  var mask = AttentionMask.none

  let operation = OperationName.attention
  var detail: String { sizes.detail + mask.label }
  var arithmetic: Double { 2 * sizes.product }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let fused = try FusedProjection(sizes, on: bench)
    let operation = Attention(
      queries: fused.queries, keys: fused.keys, values: fused.values, heads: sizes.heads, tokens: sizes.tokens,
      mask: mask, output: try bench.output(rows: sizes.rows, columns: sizes.width))
    return { () throws(BackendError) in try bench.backend.attention(operation) }
  }
}

struct AttentionBackwardSample: OperationSample {
  let sizes: AttentionSizes
  var mask = AttentionMask.none

  let operation = OperationName.attentionBackward
  var detail: String { sizes.detail + mask.label }
  var arithmetic: Double { 5 * sizes.product }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (rows, width) = (sizes.rows, sizes.width)
    let fused = try FusedProjection(sizes, on: bench)
    let operation = AttentionBackward(
      upstream: try bench.input(rows: rows, columns: width), queries: fused.queries, keys: fused.keys,
      values: fused.values, heads: sizes.heads, tokens: sizes.tokens, mask: mask,
      queryGradient: try bench.output(rows: rows, columns: width),
      keyGradient: try bench.output(rows: rows, columns: width),
      valueGradient: try bench.output(rows: rows, columns: width))
    return { () throws(BackendError) in try bench.backend.attentionBackward(operation) }
  }
}

extension AttentionMask {
  fileprivate var label: String { self == .causal ? " causal" : "" }
}
