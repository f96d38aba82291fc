import Compute
import VisionTransformer

extension Method {
  /// The class token's attention in the last block (methods §2.1). The same for every prompt.
  public static let rawAttention = Method(RawAttentionDescription())
}

struct RawAttentionDescription: LastBlockDescription {
  let name = "raw-attention"
  let ignoresPrompts = true

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double { tower.forward }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { RawAttentionMethod($0, &run) }
  }
}

/// The attention of the query that the embedding is read by, mean over heads (methods §2.1, §2.6).
struct RawAttentionMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let query: any QueryHead<B>
  @Planned private var map: Matrix<B.Buffer>
  @Planned private var relevance: Matrix<B.Buffer>

  init(_ query: any QueryHead<B>, _ run: inout RunPlan<B>) {
    sizes = run.sizes
    self.query = query
    _map = query.planMap(sizes, in: &run.memory)
    _relevance = run.memory.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
  }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    try query.read(into: map, forward)
    try forward.backend.keyRelevance(
      KeyRelevance(.map, map: map, heads: query.heads, factor: 1 / Float(query.heads), relevance: relevance))
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collectShared(relevance) }
}
