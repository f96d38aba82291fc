import Compute
import VisionTransformer

/// The class token's attention in the last block, mean over heads (methods §2.1).
struct RawAttentionMethod<B: Backend>: ForwardMethod {
  private let map: Matrix<B.Buffer>
  private let relevance: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let map = plan.reserve(rows: sizes.shape.images * sizes.heads, columns: sizes.shape.tokens)
    let relevance = plan.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod { workspace, _, _ in
      RawAttentionMethod(map: workspace[map], relevance: workspace[relevance])
    }
  }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    let heads = forward.sizes.heads
    try forward.classAttention(into: map)
    try forward.backend.keyRelevance(
      KeyRelevance(.map, map: map, heads: heads, factor: 1 / Float(heads), relevance: relevance))
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try forward.sizes.collectShared(relevance)
  }
}
