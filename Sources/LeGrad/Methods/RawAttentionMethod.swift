import Compute
import VisionTransformer

/// The attention of the query that the embedding is read by, mean over heads (methods §2.1, §2.6).
struct RawAttentionMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let query: QueryAttention<B>
  private let relevance: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let query = QueryAttention<B>.reserve(sizes, hasGradient: false, in: &plan)
    let relevance = plan.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod { workspace, _, _ in
      RawAttentionMethod(
        sizes: sizes, query: QueryAttention(query, sizes: sizes, in: workspace), relevance: workspace[relevance])
    }
  }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    try forward.backend.keyRelevance(
      KeyRelevance(
        .map, map: query.map(forward), heads: query.heads, factor: 1 / Float(query.heads), relevance: relevance))
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collectShared(relevance) }
}
