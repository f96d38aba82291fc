import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func foldedNormBackward(_ operation: FoldedNormBackward<CPUBuffer>) throws(BackendError) {
    let (slopes, output) = (operation.slopes, operation.output)
    let arguments = unsafe legrad_folded_norm_backward(
      product: .init(operation.product), slopes: .init(slopes), scales: .init(operation.scales),
      hidden: slopes.columns, projected: .init(operation.projected), statistics: .init(operation.statistics),
      addend: .init(operation.addend), stack: legrad_stack(operation.stack), columns: output.columns,
      output: .init(output))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.folded_norm_backward) }
  }
}
