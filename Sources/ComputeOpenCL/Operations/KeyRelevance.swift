public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func keyRelevance(_ operation: KeyRelevance<OpenCLBuffer>) throws(BackendError) {
    let relevance = operation.relevance
    let reading =
      switch operation.reading {
      case .map: 0
      case .positiveGradient: 1
      case .positiveProduct: 2
      case .product: 3
      case .weightedMap: 4
      }
    try perform(.keyRelevance) { stream throws(OpenCLError) in
      try stream.run(
        "key_relevance", variant,
        [
          .matrix(operation.map ?? relevance), .matrix(operation.gradient ?? relevance), .matrix(relevance),
          .size(reading), .size(operation.heads), .size(operation.prompts), .size(operation.leadingKeys),
          .factor(operation.factor), .size(relevance.rows), .size(relevance.columns),
        ],
        elementsOf: relevance)
    }
  }
}
