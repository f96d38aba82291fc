import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func addRows(_ operation: AddRows<CPUBuffer>) throws(BackendError) {
    let (input, addend, output) = (operation.input, operation.addend, operation.output)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_add_rows(
        input: .init(input), addend: .init(addend), addend_rows: addend.rows, columns: output.columns,
        output: .init(output))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.add_rows) }
    case .float64:
      let arguments = unsafe legrad_double_add_rows(
        input: .init(input), addend: .init(addend), addend_rows: addend.rows, columns: output.columns,
        output: .init(output))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_add_rows) }
    }
  }
}
