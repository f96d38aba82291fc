import Compute
import VisionTransformer

/// GradCAM's attention form (methods §2.3a) and CheferCAM on the last block (methods §2.4): the attention of the query
/// that the embedding is read by, and the gradient of the score there, read in two ways.
struct LastBlockMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let reading: HeadReading
  private let explainsLogit: Bool
  private let query: any QueryHead<B>
  private let gradient: any QueryGradient<B>
  @Planned private var map: Matrix<B.Buffer>
  @Planned private var relevance: Matrix<B.Buffer>

  /// - Parameters:
  ///   - reading: how map and gradient make relevance.
  ///   - explainsLogit: whether the logit is differentiated instead of the similarity.
  init(_ query: any QueryHead<B>, _ reading: HeadReading, explainsLogit: Bool, _ run: inout RunPlan<B>) {
    sizes = run.sizes
    self.reading = reading
    self.explainsLogit = explainsLogit
    self.query = query
    _map = query.planMap(sizes, in: &run.memory)
    gradient = query.planGradient(sizes, in: &run.memory)
    _relevance = run.memory.reserve(rows: sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
  }

  var reach: BackwardReach { gradient.reach }
  func keepsDerivative(of block: Int) -> Bool { reach > .none && block == sizes.lastBlock }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    try query.read(into: map, forward)
    let scale = explainsLogit ? forward.tower.logitScale : 1
    for pass in sizes.passes {
      let mapGradient = try gradient.mapGradient(pass, forward)
      try forward.backend.keyRelevance(
        KeyRelevance(
          reading, map: map, gradient: mapGradient, heads: query.heads, leadingKeys: forward.shape.leadingTokens,
          factor: scale / Float(query.heads), relevance: relevance.rows(sizes.rows(pass: pass))))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collect(relevance) }
}
