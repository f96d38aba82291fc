import CSimd
public import Compute

extension CPUBackend {
  public func keyScores(_ operation: KeyScores<CPUBuffer>) throws(BackendError) {
    let (rows, tokens, scores) = (operation.rows, operation.tokens, operation.scores)
    let arguments = unsafe legrad_key_scores(
      rows: rows.base, row_stride: rows.rowStride, row_count: rows.rows, tokens: tokens.base,
      token_stride: tokens.rowStride, heads: operation.heads, head_width: tokens.columns / operation.heads,
      stack: legrad_stack(operation.stack), factor: operation.factor, scores: scores.base,
      score_stride: scores.rowStride)
    perform { crew in unsafe crew.run(rowsOf: scores, arguments, kernels.table.key_scores) }
  }
}
