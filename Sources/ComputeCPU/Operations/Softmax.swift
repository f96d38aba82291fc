import CSimd
public import Compute

extension CPUBackend {
  public func softmax(_ operation: Softmax<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_softmax(
        input: input.base, input_stride: input.rowStride, factor: Float(operation.factor), columns: input.columns,
        output: output.base, output_stride: output.rowStride)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.softmax) }
    case .float64:
      let arguments = unsafe legrad_double_softmax(
        input: input.doubles, input_stride: input.rowStride, factor: operation.factor, columns: input.columns,
        output: output.doubles, output_stride: output.rowStride)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_softmax) }
    }
  }

  public func softmaxBackward(_ operation: SoftmaxBackward<CPUBuffer>) throws(BackendError) {
    let (upstream, output, gradient) = (operation.upstream, operation.output, operation.gradient)
    let arguments = unsafe legrad_softmax_backward(
      upstream: upstream.base, upstream_stride: upstream.rowStride, output: output.base,
      output_stride: output.rowStride, columns: output.columns, gradient: gradient.base,
      gradient_stride: gradient.rowStride)
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.softmax_backward) }
  }
}
