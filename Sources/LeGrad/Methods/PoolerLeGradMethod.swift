import Compute
import VisionTransformer

/// LeGrad on towers with an attention pooler (methods §1.4, §1.5, §11.3, §11.4).
///
/// Each block's output is pooled as if it were the last one. The gradient of a prompt's score at the pooler's attention,
/// clamped at zero and averaged over heads, is the relevance of the tokens. SigLIP's score is the cosine with what the
/// pooler makes of the tokens before the tower's last layer norm; CoCa's is the product with the first query's row,
/// projected, neither normalised nor scaled to a unit: its gradient is the same for every image.
struct PoolerLeGradMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let blocks: Range<Int>
  private let gradients: PoolerGradients<B>
  /// `[layers · prompts · images, tokens]`.
  private let relevance: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, blocks: Range<Int>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    guard let pooler = sizes.tower.pooler else { preconditionFailure("a tower without an attention pooler") }
    let shape = sizes.shape
    // The largest matrix of a prompt has a row per head, not per token.
    let sizes = RunSizes(
      tower: sizes.tower, shape: shape, prompts: sizes.prompts, rowsPerPrompt: shape.images * pooler.heads)
    let gradients = PoolerGradients<B>.reserve(
      groups: pooler.mlp == nil ? sizes.prompts : sizes.groupsPerPass, mapGroups: sizes.groupsPerPass,
      tokens: shape.tokens, pooler: pooler, in: &plan)
    let relevance = plan.reserve(rows: blocks.count * sizes.prompts * shape.images, columns: shape.tokens)
    return PlannedMethod { workspace, forward, _ throws(BackendError) in
      let method = PoolerLeGradMethod(
        sizes: sizes, blocks: blocks, gradients: PoolerGradients(gradients, in: workspace),
        relevance: workspace[relevance])
      if pooler.mlp == nil {
        try pooler.backward(
          prompts: forward.directions.rows(0..<sizes.prompts), through: forward.tower.projection,
          gradients: method.gradients, on: forward.backend)
      }
      return method
    }
  }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    guard blocks.contains(block), case .pooler(let pooler, let pooled) = forward.head else { return }
    let backend = forward.backend
    try pooler.load(forward.activations.block.stream, into: pooled, on: backend)
    if let mlp = pooler.mlp {
      try pooler.attend(pooled, on: backend)
      try pooler.readOut(pooled, through: mlp, on: backend)
    }
    for pass in sizes.passes {
      let groups = forward.shape.images * pass.count
      let directions: Matrix<B.Buffer>
      if let mlp = pooler.mlp {
        let gradients = PoolerGradients<B>(self.gradients, groups: groups, heads: pooler.heads)
        try pooler.backward(
          prompts: forward.directions.rows(pass), pooled, through: mlp, gradients: gradients, on: backend)
        directions = gradients.directions
      } else {
        directions = gradients.directions.rows(pass.lowerBound * pooler.heads..<pass.upperBound * pooler.heads)
      }
      try pooler.relevance(
        pooled, directions: directions, scratch: gradients.map.rows(0..<groups * pooler.heads),
        relevance: relevance.rows(sizes.rows(layer: block - blocks.lowerBound, pass: pass)), on: backend)
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try sizes.collect(relevance, layers: blocks.count)
  }
}
