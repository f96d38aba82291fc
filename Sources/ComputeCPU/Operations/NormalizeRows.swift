import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func normalizeRows(_ operation: NormalizeRows<CPUBuffer>) throws(BackendError) {
    let (input, output, norms) = (operation.input, operation.output, operation.norms)
    let arguments = unsafe legrad_normalize_rows(
      input: .init(input), columns: input.columns, output: .init(output), norms: .init(norms))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.normalize_rows) }
  }

  public func normalizeRowsBackward(_ operation: NormalizeRowsBackward<CPUBuffer>) throws(BackendError) {
    let (directions, normalized, gradient) = (operation.directions, operation.normalized, operation.gradient)
    let arguments = unsafe legrad_normalize_rows_backward(
      directions: .init(directions), prompts: directions.rows, normalized: .init(normalized),
      norms: .init(operation.norms), columns: gradient.columns, gradient: .init(gradient))
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.normalize_rows_backward) }
  }
}
