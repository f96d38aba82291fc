public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func keyScores(_ operation: KeyScores<OpenCLBuffer>) throws(BackendError) {
    let (rows, tokens, scores) = (operation.rows, operation.tokens, operation.scores)
    try perform(.keyScores) { stream throws(OpenCLError) in
      try stream.run(
        "key_scores", variant,
        [
          .matrix(rows), .matrix(tokens), .matrix(scores), .size(rows.rows), .size(operation.heads),
          .size(tokens.columns / operation.heads), .size(operation.stack.copies), .factor(operation.factor),
          .size(scores.rows), .size(scores.columns),
        ],
        elementsOf: scores)
    }
  }
}
