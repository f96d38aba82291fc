import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func meanRows(_ operation: MeanRows<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    let arguments = unsafe legrad_mean_rows(
      input: .init(input), rows_per_group: operation.rowsPerGroup, columns: input.columns, output: .init(output))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.mean_rows) }
  }
}
