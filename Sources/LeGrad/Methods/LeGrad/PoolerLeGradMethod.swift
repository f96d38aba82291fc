import Compute
import VisionTransformer

/// LeGrad on towers with an attention pooler (methods §1.4, §1.5, §11.3, §11.4).
///
/// Each block's output is pooled as if it were the last one. The gradient of a prompt's score at the pooler's
/// attention, clamped at zero and averaged over heads, is the relevance of the tokens. SigLIP's score is the cosine
/// with what the pooler makes of the tokens before the tower's last layer norm; CoCa's is the product with the first
/// query's row, projected, neither normalised nor scaled to a unit: its gradient is the same for every image.
struct PoolerLeGradMethod<B: Backend>: LayerMethod {
  let maps: LayerMaps<B>
  private let head: PoolerHead<B>
  private let gradients: PoolerGradients<B>

  init(_ head: PoolerHead<B>, _ run: inout RunPlan<B>) {
    let (pooler, shape) = (head.pooler, run.sizes.shape)
    // The largest matrix of a prompt has a row per head, not per token.
    let sizes = RunSizes(
      tower: run.sizes.tower, shape: shape, prompts: run.sizes.prompts, joined: run.joined.count,
      rowsPerPrompt: shape.images * pooler.heads)
    self.head = head
    gradients = PoolerGradients(
      groups: pooler.mlp == nil ? sizes.prompts : sizes.joinedGroups, mapGroups: sizes.joinedGroups,
      tokens: shape.tokens, pooler: pooler, tower: sizes.tower, in: &run.memory)
    maps = LayerMaps(&run, sizes: sizes)
  }

  /// The gradient ends at the pooler.
  func keepsDerivative(of block: Int) -> Bool { false }

  /// Without an MLP the gradient does not depend on the image.
  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError) {
    guard head.pooler.mlp == nil else { return }
    try head.pooler.backward(
      prompts: forward.directions.rows(0..<sizes.prompts), gradients: gradients, tower: forward.tower)
  }

  func read(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, pooler, pooled) = (forward.backend, head.pooler, head.activations(blocks: blocks.count))
    try pooler.load(forward.activations(of: blocks).stream, into: pooled, on: backend)
    if let mlp = pooler.mlp {
      try pooler.attend(pooled, on: backend)
      try pooler.readOut(pooled, through: mlp, tower: forward.tower)
    }
  }

  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    let (pooler, pooled) = (head.pooler, head.activations(blocks: blocks.count))
    let groups = blocks.count * forward.shape.images * pass.count
    let directions: Matrix<B.Buffer>
    if let mlp = pooler.mlp {
      let gradients = self.gradients.part(groups: groups, heads: pooler.heads)
      try pooler.backward(
        prompts: forward.directions.rows(pass), pooled, through: mlp, gradients: gradients, tower: forward.tower)
      directions = gradients.directions
    } else {
      directions = gradients.directions.rows(pass.lowerBound * pooler.heads..<pass.upperBound * pooler.heads)
    }
    try pooler.relevance(
      pooled, directions: directions, scratch: gradients.map.rows(0..<groups * pooler.heads), relevance: maps,
      on: forward.backend)
  }
}
