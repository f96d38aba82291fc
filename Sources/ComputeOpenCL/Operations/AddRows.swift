public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func addRows(_ operation: AddRows<OpenCLBuffer>) throws(BackendError) {
    let (input, addend, output) = (operation.input, operation.addend, operation.output)
    try perform(.addRows) { stream throws(OpenCLError) in
      try stream.run(
        "add_rows", variant,
        [
          .matrix(input), .matrix(addend), .matrix(output), .size(addend.rows), .size(output.rows),
          .size(output.columns),
        ],
        elementsOf: output)
    }
  }
}
