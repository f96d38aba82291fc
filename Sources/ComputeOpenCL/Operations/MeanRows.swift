public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func meanRows(_ operation: MeanRows<OpenCLBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    try perform(.meanRows) { stream throws(OpenCLError) in
      // As many columns as a processor holds in registers.
      try stream.run(
        "mean_rows", variant,
        [
          .matrix(input), .matrix(output), .size(operation.rowsPerGroup), .size(output.rows), .size(output.columns),
        ],
        elementsOf: output, span: 128)
    }
  }
}
