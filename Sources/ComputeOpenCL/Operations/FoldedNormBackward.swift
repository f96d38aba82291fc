public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func foldedNormBackward(_ operation: FoldedNormBackward<OpenCLBuffer>) throws(BackendError) {
    let output = operation.output
    try perform(.foldedNormBackward) { stream throws(OpenCLError) in
      try stream.run(
        "folded_norm_backward", variant,
        [
          .matrix(operation.product), .matrix(operation.slopes), .matrix(operation.scales),
          .matrix(operation.projected), .matrix(operation.statistics), .matrix(operation.addend), .matrix(output),
          .size(operation.slopes.columns), .size(operation.stack.copies), .size(operation.stack.rows),
          .size(output.columns),
        ],
        rowsOf: output)
    }
  }
}
