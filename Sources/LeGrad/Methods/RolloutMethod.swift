import Compute
import VisionTransformer

/// Attention rollout (methods §2.2): the class token's row of the product of all blocks' mean maps, each averaged with
/// the identity; a pooler's mean map times that product (methods §2.6). The row is carried back from the last block to
/// the first that counts; a map's rows sum to one, so that the row-normalised `map + identity` is half of it.
struct RolloutMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let blocks: Range<Int>
  private let row: Matrix<B.Buffer>
  private let next: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, blocks: Range<Int>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let row = plan.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
    let next = plan.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(firstCheckpoint: blocks.lowerBound) { workspace, _, _ in
      RolloutMethod(sizes: sizes, blocks: blocks, row: workspace[row], next: workspace[next])
    }
  }

  func retrace(_ forward: SharedForward<B>) throws(BackendError) {
    let (backend, activations) = (forward.backend, forward.activations.block)
    switch forward.head {
    case .row:
      try backend.fill(Fill(row, with: 0))
      try backend.fill(Fill(row.columns(0..<1), with: 1))
    case .pooler(let pooler, let pooled):
      try backend.keyRelevance(
        KeyRelevance(
          .map, map: pooled.map, heads: pooler.heads, factor: 1 / Float(pooler.heads), relevance: row))
    }
    for block in blocks.reversed() {
      guard let checkpoint = forward.checkpoint(of: block) else {
        preconditionFailure("block \(block) has no checkpoint")
      }
      try forward.tower.blocks[block].forwardToAttention(activations.reading(checkpoint), on: backend)
      try backend.rowThroughMap(
        RowThroughMap(
          row: row, queries: activations.queries, keys: activations.keys, heads: sizes.heads,
          stack: PromptStack(prompts: 1, tokens: forward.shape.tokens), factor: 0.5, output: next))
      try backend.copy(Copy(next, to: row))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collectShared(row) }
}
