import Compute
import VisionTransformer

/// GradCAM's attention form (methods §2.3a) and CheferCAM on the last block (methods §2.4): the attention of the query
/// that the embedding is read by, and the gradient of the score there, read in two ways.
struct LastBlockMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let reading: HeadReading
  private let query: QueryAttention<B>
  private let relevance: Matrix<B.Buffer>

  /// - Parameter reading: `weightedMap` for GradCAM, `positiveProduct` for CheferCAM.
  static func plan(
    _ sizes: RunSizes<B>, _ reading: HeadReading, in plan: inout WorkspacePlan
  ) -> PlannedMethod<B> {
    let query = QueryAttention<B>.reserve(sizes, hasGradient: true, in: &plan)
    let relevance = plan.reserve(rows: sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(reach: sizes.tower.pooler == nil ? .attention : .none) { workspace, _, _ in
      LastBlockMethod(
        sizes: sizes, reading: reading, query: QueryAttention(query, sizes: sizes, in: workspace),
        relevance: workspace[relevance])
    }
  }

  func keepsDerivative(of block: Int) -> Bool { sizes.tower.pooler == nil && block == sizes.lastBlock }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    let map = try query.map(forward)
    // CheferCAM differentiates the logit, GradCAM the similarity.
    let scale = reading == .positiveProduct ? forward.tower.logitScale : 1
    for pass in sizes.passes {
      let mapGradient = try query.mapGradient(pass, forward)
      try forward.backend.keyRelevance(
        KeyRelevance(
          reading, map: map, gradient: mapGradient, heads: query.heads, leadingKeys: forward.shape.leadingTokens,
          factor: scale / Float(query.heads), relevance: relevance.rows(sizes.rows(pass: pass))))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collect(relevance) }
}
