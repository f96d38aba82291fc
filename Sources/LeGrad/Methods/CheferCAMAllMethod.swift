import Compute
import VisionTransformer

/// CheferCAM through all blocks (methods §2.4): the class token's row of `Π (I + Ā_l)`, `Ā_l` the mean over heads of the
/// positive part of map times gradient of the logit. The backward brings the gradients in the order in which the row is
/// carried, so that nothing is kept of a block but its input.
struct CheferCAMAllMethod<B: Backend>: ForwardMethod {
  private let blocks: Range<Int>
  private let lastRow: RowBackward<B>
  private let gradients: FullGradients<B>
  private let row: Matrix<B.Buffer>
  /// `[prompts · images, tokens]`.
  private let relevance: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let lastRow = RowBackward<B>.reserve(sizes, in: &plan)
    let gradients = FullGradients<B>.reserve(
      rows: sizes.groupsPerPass * sizes.shape.tokens, shape: sizes.tower.blockShape, in: &plan)
    let row = plan.reserve(rows: sizes.groupsPerPass, columns: sizes.shape.tokens)
    let relevance = plan.reserve(rows: sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(reach: .input, firstCheckpoint: 0) { workspace, _, _ in
      CheferCAMAllMethod(
        blocks: 0..<sizes.tower.blocks.count, lastRow: RowBackward(lastRow, in: workspace),
        gradients: FullGradients(gradients, in: workspace), row: workspace[row], relevance: workspace[relevance])
    }
  }

  func retrace(_ forward: SharedForward<B>) throws(BackendError) {
    for pass in forward.sizes.passes { try retrace(pass, forward) }
  }

  private func retrace(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, shape, activations) = (forward.backend, forward.shape, forward.activations.block)
    let stack = PromptStack(prompts: pass.count, tokens: shape.tokens)
    let groups = shape.images * pass.count
    let gradients = FullGradients<B>(self.gradients, rows: groups * shape.tokens)
    let carried = relevance.rows(forward.sizes.rows(pass: pass))
    let row = self.row.rows(0..<groups)
    try backend.fill(Fill(carried, with: 0))
    try backend.fill(Fill(carried.columns(0..<1), with: 1))
    for block in blocks.reversed() {
      guard let checkpoint = forward.checkpoint(of: block) else {
        preconditionFailure("block \(block) has no checkpoint")
      }
      let weights = forward.tower.blocks[block]
      let input = activations.reading(checkpoint)
      try weights.recompute(activations, from: checkpoint, tokens: shape.tokens, on: backend)
      if block == blocks.upperBound - 1 {
        // The logit reads one row of the last block's output.
        let last = try lastRow.atAttention(block, pass, forward, factor: forward.tower.logitScale)
        try gradients.startFromFirstRows(
          middle: last.middle, attentionOutput: last.attentionOutput, tokens: shape.tokens, on: backend)
      } else {
        try weights.backwardToAttention(input, stack: stack, gradients: gradients, on: backend)
      }
      try backend.copy(Copy(carried, to: row))
      try backend.rowThroughMap(
        RowThroughMap(
          row: row, queries: activations.queries, keys: activations.keys,
          gradient: .init(output: gradients.attentionOutput, values: activations.values),
          heads: forward.sizes.heads, stack: stack, factor: 1, output: carried))
      if block > blocks.lowerBound {
        try weights.backwardFromAttention(input, stack: stack, gradients: gradients, on: backend)
      }
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try forward.sizes.collect(relevance)
  }
}
