public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func activate(_ operation: Activate<OpenCLBuffer>) throws(BackendError) {
    let output = operation.output
    try perform(.activate) { stream throws(OpenCLError) in
      try stream.run(
        "activate", variant,
        [
          .matrix(operation.input), .matrix(output), .matrix(operation.derivative ?? output),
          .flag(operation.derivative != nil), .activation(operation.activation), .size(output.rows),
          .size(output.columns),
        ],
        elementsOf: output)
    }
  }

  public func activationBackward(_ operation: ActivationBackward<OpenCLBuffer>) throws(BackendError) {
    let (upstream, gradient, stack) = (operation.upstream, operation.gradient, operation.stack)
    try perform(.activationBackward) { stream throws(OpenCLError) in
      try stream.run(
        "activation_backward", variant,
        [
          .matrix(upstream), .matrix(operation.derivative), .matrix(gradient), .flag(upstream.rows != gradient.rows),
          .size(stack.copies), .size(stack.rows), .size(gradient.rows), .size(gradient.columns),
        ],
        elementsOf: gradient)
    }
  }
}

extension KernelArgument {
  /// `const uint`: an activation as `common.cl` numbers them; none is the identity.
  static func activation(_ activation: Activation?) -> KernelArgument {
    switch activation {
    case nil: .size(0)
    case .gelu: .size(1)
    case .quickGELU: .size(2)
    case .geluTanh: .size(3)
    case .silu: .size(4)
    }
  }
}
