public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func gate(_ operation: Gate<OpenCLBuffer>) throws(BackendError) {
    let output = operation.output
    try perform(.gate) { stream throws(OpenCLError) in
      try stream.run(
        "gate", variant,
        [
          .matrix(operation.input), .matrix(output), .matrix(operation.derivative ?? output),
          .flag(operation.derivative != nil), .activation(operation.activation), .size(output.rows),
          .size(output.columns),
        ],
        elementsOf: output)
    }
  }
}
