public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func relevanceShare(_ operation: RelevanceShare<OpenCLBuffer>) throws(BackendError) {
    let (total, output) = (operation.total, operation.output)
    try perform(.relevanceShare) { stream throws(OpenCLError) in
      try stream.run(
        "relevance_share", variant,
        [
          .matrix(operation.relevance), .matrix(total), .matrix(operation.value ?? total), .matrix(output),
          .size(total.rows), .flag(operation.value != nil), .flag(operation.accumulates), .size(output.rows),
          .size(output.columns),
        ],
        elementsOf: output)
    }
  }
}
