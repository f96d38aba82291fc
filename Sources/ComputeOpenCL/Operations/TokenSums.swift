public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func tokenSums(_ operation: TokenSums<OpenCLBuffer>) throws(BackendError) {
    let (weights, tokens, sums) = (operation.weights, operation.tokens, operation.sums)
    try perform(.tokenSums) { stream throws(OpenCLError) in
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

  public func tokenSumsBackward(_ operation: TokenSumsBackward<OpenCLBuffer>) throws(BackendError) {
    let (weights, upstream, gradient) = (operation.weights, operation.upstream, operation.gradient)
    try perform(.tokenSumsBackward) { stream throws(OpenCLError) in
      try stream.run(
        "token_sums_backward", variant,
        [
          .matrix(weights), .matrix(upstream), .matrix(gradient), .size(operation.rowsPerGroup),
          .size(upstream.rows), .size(weights.columns), .flag(operation.accumulates), .size(gradient.rows),
          .size(gradient.columns),
        ],
        elementsOf: gradient)
    }
  }
}
