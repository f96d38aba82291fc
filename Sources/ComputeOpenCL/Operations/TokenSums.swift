public import Compute
import OpenCLRuntime

extension OpenCLBackend {
  public func tokenSums(_ operation: TokenSums<OpenCLBuffer>) throws(BackendError) {
    let (weights, tokens, sums) = (operation.weights, operation.tokens, operation.sums)
    try perform("tokenSums") { stream throws(OpenCLError) in
      // As many columns as a processor holds in registers.
      try stream.run(
        "token_sums", variant,
        [
          .matrix(weights), .matrix(tokens), .matrix(sums), .size(operation.rowsPerImage), .size(weights.columns),
          .size(sums.rows), .size(sums.columns),
        ],
        elementsOf: sums, span: 128)
    }
  }
}
