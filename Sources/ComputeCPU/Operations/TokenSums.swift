import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func tokenSums(_ operation: TokenSums<CPUBuffer>) throws(BackendError) {
    let (weights, tokens, sums) = (operation.weights, operation.tokens, operation.sums)
    let arguments = unsafe legrad_token_sums(
      weights: .init(weights), token_values: .init(tokens), tokens: weights.columns,
      rows_per_image: operation.rowsPerImage, columns: sums.columns, sums: .init(sums))
    perform { crew in unsafe crew.run(rowsOf: sums, arguments, kernels.table.token_sums) }
  }

  public func tokenSumsBackward(_ operation: TokenSumsBackward<CPUBuffer>) throws(BackendError) {
    let (weights, upstream, gradient) = (operation.weights, operation.upstream, operation.gradient)
    let arguments = unsafe legrad_token_sums_backward(
      weights: .init(weights), upstream: .init(upstream), upstream_count: upstream.rows, tokens: weights.columns,
      rows_per_group: operation.rowsPerGroup, columns: gradient.columns, accumulates: operation.accumulates,
      gradient: .init(gradient))
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.token_sums_backward) }
  }
}
