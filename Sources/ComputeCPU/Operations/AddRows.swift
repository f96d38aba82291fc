import CSimd
public import Compute

extension CPUBackend {
  public func addRows(_ operation: AddRows<CPUBuffer>) throws(BackendError) {
    let (input, addend, output) = (operation.input, operation.addend, operation.output)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_add_rows(
        input: input.base, input_stride: input.rowStride, addend: addend.base, addend_stride: addend.rowStride,
        addend_rows: addend.rows, columns: output.columns, output: output.base, output_stride: output.rowStride)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.add_rows) }
    case .float64:
      let arguments = unsafe legrad_double_add_rows(
        input: input.doubles, input_stride: input.rowStride, addend: addend.doubles, addend_stride: addend.rowStride,
        addend_rows: addend.rows, columns: output.columns, output: output.doubles, output_stride: output.rowStride)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_add_rows) }
    }
  }
}
