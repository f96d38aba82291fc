import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func keyRelevance(_ operation: KeyRelevance<CPUBuffer>) throws(BackendError) {
    let relevance = operation.relevance
    let reading =
      switch operation.reading {
      case .map: LEGRAD_MAP
      case .positiveGradient: LEGRAD_POSITIVE_GRADIENT
      case .positiveProduct: LEGRAD_POSITIVE_PRODUCT
      case .product: LEGRAD_PRODUCT
      case .weightedMap: LEGRAD_WEIGHTED_MAP
      }
    let arguments = unsafe legrad_key_relevance(
      reading: reading, map: .init(operation.map), gradient: .init(operation.gradient), heads: operation.heads,
      prompts: operation.prompts, leading_keys: operation.leadingKeys, tokens: relevance.columns,
      factor: operation.factor, relevance: .init(relevance))
    perform { crew in unsafe crew.run(rowsOf: relevance, arguments, kernels.table.key_relevance) }
  }
}
