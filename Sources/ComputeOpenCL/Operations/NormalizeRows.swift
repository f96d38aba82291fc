public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func normalizeRows(_ operation: NormalizeRows<OpenCLBuffer>) throws(BackendError) {
    let (input, output, norms) = (operation.input, operation.output, operation.norms)
    try perform(.normalizeRows) { stream throws(OpenCLError) in
      try stream.run(
        "normalize_rows", variant, [.matrix(input), .matrix(output), .matrix(norms), .size(output.columns)],
        rowsOf: output)
    }
  }

  public func normalizeRowsBackward(_ operation: NormalizeRowsBackward<OpenCLBuffer>) throws(BackendError) {
    let (directions, gradient) = (operation.directions, operation.gradient)
    try perform(.normalizeRowsBackward) { stream throws(OpenCLError) in
      try stream.run(
        "normalize_rows_backward", variant,
        [
          .matrix(directions), .matrix(operation.normalized), .matrix(operation.norms), .matrix(gradient),
          .size(directions.rows), .size(gradient.columns),
        ],
        rowsOf: gradient)
    }
  }
}
