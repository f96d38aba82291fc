import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func softmax(_ operation: Softmax<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_softmax(
        input: .init(input), factor: Float(operation.factor), columns: input.columns, output: .init(output))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.softmax) }
    case .float64:
      let arguments = unsafe legrad_double_softmax(
        input: .init(input), factor: operation.factor, columns: input.columns, output: .init(output))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_softmax) }
    }
  }

  public func softmaxBackward(_ operation: SoftmaxBackward<CPUBuffer>) throws(BackendError) {
    let (upstream, output, gradient) = (operation.upstream, operation.output, operation.gradient)
    let arguments = unsafe legrad_softmax_backward(
      upstream: .init(upstream), output: .init(output), columns: output.columns, gradient: .init(gradient))
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.softmax_backward) }
  }
}
