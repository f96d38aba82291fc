public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func softmax(_ operation: Softmax<OpenCLBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    try perform(.softmax) { stream throws(OpenCLError) in
      try stream.run(
        "softmax", variant,
        [.matrix(input), .matrix(output), .real(operation.factor, output.scalar), .size(output.columns)],
        rowsOf: output)
    }
  }

  public func softmaxBackward(_ operation: SoftmaxBackward<OpenCLBuffer>) throws(BackendError) {
    let (upstream, output, gradient) = (operation.upstream, operation.output, operation.gradient)
    try perform(.softmaxBackward) { stream throws(OpenCLError) in
      try stream.run(
        "softmax_backward", variant,
        [.matrix(upstream), .matrix(output), .matrix(gradient), .size(gradient.columns)], rowsOf: gradient)
    }
  }
}
