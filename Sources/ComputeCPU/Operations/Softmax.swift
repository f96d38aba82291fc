import CSimd
public import Compute

extension CPUBackend {
  public func softmax(_ operation: Softmax<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    let arguments = unsafe legrad_softmax(
      input: input.base, input_stride: input.rowStride, columns: input.columns, output: output.base,
      output_stride: output.rowStride)
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.softmax) }
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
