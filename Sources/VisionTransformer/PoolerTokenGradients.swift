package import Compute
import Failures

/// The memory of a pooler's backward to the tower's output, for a stack of prompts.
package struct PoolerTokenGradients<B: Backend>: Sendable {
  /// The attention map, repeated for each prompt: `[images · prompts · heads, tokens]`.
  @Planned private(set) var map: Matrix<B.Buffer>
  /// `[images · prompts · tokens, tokenWidth + 1]`.
  @Planned private(set) var tokens: Matrix<B.Buffer>

  /// - Parameter groups: images · prompts.
  package init(groups: Int, tokens: Int, pooler: AttentionPooler<B>, in plan: inout WorkspacePlan<B>) {
    _map = plan.reserve(rows: groups * pooler.heads, columns: tokens)
    _tokens = plan.reserve(rows: groups * tokens, columns: pooler.tokenWidth + 1)
  }
}

extension AttentionPooler {
  /// From `gradients.directions` and `gradients.map` to the gradient at the last block's output, times `factor`, into
  /// `output [images · prompts · tokens, width]`; `gradients.map` becomes the gradient at the attention's scores.
  ///
  /// A token is read twice, by the sums and by the scores: it receives `Σ_h a_hj G_h + Σ_h ds_hj k_h`, with `G` the
  /// directions and `k` those of the keys. Both have the column of ones, whose gradient nobody wants.
  /// - Parameter stream: the last block's output, of which `embed` made the embedding.
  package func backwardToStream(
    _ stream: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, prompts: Int, gradients: PoolerGradients<B>,
    scratch: PoolerTokenGradients<B>, factor: Float, output: Matrix<B.Buffer>, tower: VisionTower<B>
  ) throws(BackendError) {
    let (backend, shape, norm) = (tower.backend, activations.shape, tokenNorm(in: tower))
    let groups = shape.images * prompts
    let (map, tokens) = (scratch.map.rows(0..<groups * heads), scratch.tokens.rows(0..<groups * shape.tokens))
    for group in 0..<groups {
      let shared = group / prompts * heads..<(group / prompts + 1) * heads
      try backend.copy(Copy(activations.map.rows(shared), to: map.rows(group * heads..<(group + 1) * heads)))
    }
    try backend.softmaxBackward(SoftmaxBackward(upstream: gradients.map, output: map, gradient: gradients.map))
    try backend.tokenSumsBackward(TokenSumsBackward(weights: map, upstream: gradients.directions, gradient: tokens))
    try backend.tokenSumsBackward(
      TokenSumsBackward(weights: gradients.map, upstream: keyDirections, accumulates: true, gradient: tokens))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: tokens.columns(0..<tokenWidth), input: stream, statistics: activations.tokenStatistics,
        scale: norm.scale, stack: RowStack(copies: prompts, rows: shape.tokens), factor: factor,
        output: output))
  }
}
