import CSimd
public import Compute

extension CPUBackend {
  public func normalizeRows(_ operation: NormalizeRows<CPUBuffer>) throws(BackendError) {
    let (input, output, norms) = (operation.input, operation.output, operation.norms)
    let arguments = unsafe legrad_normalize_rows(
      input: input.base, input_stride: input.rowStride, columns: input.columns, output: output.base,
      output_stride: output.rowStride, norms: norms.base, norms_stride: norms.rowStride)
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.normalize_rows) }
  }

  public func normalizeRowsBackward(_ operation: NormalizeRowsBackward<CPUBuffer>) throws(BackendError) {
    let (directions, normalized, gradient) = (operation.directions, operation.normalized, operation.gradient)
    let arguments = unsafe legrad_normalize_rows_backward(
      directions: directions.base, directions_stride: directions.rowStride, prompts: directions.rows,
      normalized: normalized.base, normalized_stride: normalized.rowStride, norms: operation.norms.base,
      norms_stride: operation.norms.rowStride, columns: gradient.columns, gradient: gradient.base,
      gradient_stride: gradient.rowStride)
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.normalize_rows_backward) }
  }
}
