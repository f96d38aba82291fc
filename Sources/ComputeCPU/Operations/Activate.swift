import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func activate(_ operation: Activate<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    let derivative = operation.derivative
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_activate(
        activation: legrad_activation(operation.activation), input: .init(input), columns: input.columns,
        output: .init(output), derivative: .init(derivative))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.activate) }
    case .float64:
      let arguments = unsafe legrad_double_activate(
        activation: legrad_activation(operation.activation), input: .init(input), columns: input.columns,
        output: .init(output), derivative: .init(derivative))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_activate) }
    }
  }

  public func activationBackward(_ operation: ActivationBackward<CPUBuffer>) throws(BackendError) {
    let (upstream, gradient) = (operation.upstream, operation.gradient)
    let arguments = unsafe legrad_activation_backward(
      upstream: .init(upstream), upstream_per_prompt: upstream.rows != gradient.rows,
      derivative: .init(operation.derivative), stack: legrad_stack(operation.stack), columns: gradient.columns,
      gradient: .init(gradient))
    perform { crew in unsafe crew.run(rowsOf: gradient, arguments, kernels.table.activation_backward) }
  }
}

extension legrad_activation {
  init(_ activation: Activation?) {
    self =
      switch activation {
      case nil: LEGRAD_IDENTITY
      case .gelu: LEGRAD_GELU
      case .quickGELU: LEGRAD_QUICK_GELU
      case .geluTanh: LEGRAD_GELU_TANH
      case .silu: LEGRAD_SILU
      }
  }
}
