import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func keyScores(_ operation: KeyScores<CPUBuffer>) throws(BackendError) {
    let (rows, tokens, scores) = (operation.rows, operation.tokens, operation.scores)
    let arguments = unsafe legrad_key_scores(
      rows: .init(rows), row_count: rows.rows, tokens: .init(tokens), heads: operation.heads,
      head_width: tokens.columns / operation.heads, stack: legrad_stack(operation.stack), factor: operation.factor,
      scores: .init(scores))
    perform { crew in unsafe crew.run(rowsOf: scores, arguments, kernels.table.key_scores) }
  }
}
