import CSimd
public import Compute

extension CPUBackend {
  public func tokenSums(_ operation: TokenSums<CPUBuffer>) throws(BackendError) {
    let (weights, tokens, sums) = (operation.weights, operation.tokens, operation.sums)
    let arguments = unsafe legrad_token_sums(
      weights: weights.base, weight_stride: weights.rowStride, token_values: tokens.base,
      token_stride: tokens.rowStride, tokens: weights.columns, rows_per_image: operation.rowsPerImage,
      columns: sums.columns, sums: sums.base, sum_stride: sums.rowStride)
    perform { crew in unsafe crew.run(rowsOf: sums, arguments, kernels.table.token_sums) }
  }
}
