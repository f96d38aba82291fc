import Compute
import VisionTransformer

/// CheferCAM through all blocks (methods §2.4): the class token's row of `Π (I + Ā_l)`, `Ā_l` the mean over heads of the
/// positive part of map times gradient of the logit; with a pooler, its own such row in place of the class token's
/// (methods §2.6). The backward brings the gradients in the order in which the row is carried, so that nothing is kept of
/// a block but its input.
struct CheferCAMAllMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let start: Start
  private let gradients: FullGradients<B>
  private let row: Matrix<B.Buffer>
  /// `[prompts · images, tokens]`.
  private let relevance: Matrix<B.Buffer>

  /// Where the backward and the row begin.
  private enum Start: Sendable {
    case classToken(RowBackward<B>)
    case pooler(QueryAttention<B>, PoolerTokenGradients<B>)

    init(_ slots: StartSlots, sizes: RunSizes<B>, in workspace: Workspace<B>) {
      switch slots {
      case .classToken(let backward): self = .classToken(RowBackward(backward, in: workspace))
      case .pooler(let query, let gradients):
        self = .pooler(
          QueryAttention(query, sizes: sizes, in: workspace), PoolerTokenGradients(gradients, in: workspace))
      }
    }
  }

  private enum StartSlots {
    case classToken(RowBackward<B>.Slots)
    case pooler(QueryAttention<B>.Slots, PoolerTokenGradients<B>.Slots)
  }

  static func plan(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let start: StartSlots
    if let pooler = sizes.tower.pooler {
      start = .pooler(
        QueryAttention<B>.reserve(sizes, hasGradient: true, in: &plan),
        PoolerTokenGradients<B>.reserve(
          groups: sizes.groupsPerPass, tokens: sizes.shape.tokens, pooler: pooler, in: &plan))
    } else {
      start = .classToken(RowBackward<B>.reserve(sizes, in: &plan))
    }
    let gradients = FullGradients<B>.reserve(
      rows: sizes.groupsPerPass * sizes.shape.tokens, shape: sizes.tower.blockShape, in: &plan)
    let row = plan.reserve(rows: sizes.groupsPerPass, columns: sizes.shape.tokens)
    let relevance = plan.reserve(rows: sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(reach: .input, firstCheckpoint: 0) { workspace, _, _ in
      CheferCAMAllMethod(
        sizes: sizes, start: Start(start, sizes: sizes, in: workspace),
        gradients: FullGradients(gradients, in: workspace), row: workspace[row], relevance: workspace[relevance])
    }
  }

  func retrace(_ forward: SharedForward<B>) throws(BackendError) {
    for pass in sizes.passes { try retrace(pass, forward) }
  }

  private func retrace(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, shape, activations) = (forward.backend, forward.shape, forward.activations.block)
    let stack = PromptStack(prompts: pass.count, tokens: shape.tokens)
    let groups = shape.images * pass.count
    let gradients = FullGradients<B>(self.gradients, rows: groups * shape.tokens)
    let carried = relevance.rows(sizes.rows(pass: pass))
    let row = self.row.rows(0..<groups)
    try begin(pass, carried: carried, gradients, forward)
    for block in (0...sizes.lastBlock).reversed() {
      guard let checkpoint = forward.checkpoint(of: block) else {
        preconditionFailure("block \(block) has no checkpoint")
      }
      let weights = forward.tower.blocks[block]
      let input = activations.reading(checkpoint)
      try weights.recompute(activations, from: checkpoint, tokens: shape.tokens, on: backend)
      if block == sizes.lastBlock, case .classToken(let rowBackward) = start {
        // The logit reads one row of the last block's output.
        let last = try rowBackward.atAttention(block, pass, forward, factor: forward.tower.logitScale)
        try gradients.startFromFirstRows(
          middle: last.middle, attentionOutput: last.attentionOutput, tokens: shape.tokens, on: backend)
      } else {
        try weights.backwardToAttention(input, stack: stack, gradients: gradients, on: backend)
      }
      try backend.copy(Copy(carried, to: row))
      try backend.rowThroughMap(
        RowThroughMap(
          row: row, queries: activations.queries, keys: activations.keys,
          gradient: .init(output: gradients.attentionOutput, values: activations.values), heads: sizes.heads,
          stack: stack, factor: 1, output: carried))
      if block > 0 {
        try weights.backwardFromAttention(input, stack: stack, gradients: gradients, on: backend)
      }
    }
  }

  /// The row before the last block, and with a pooler the gradient at that block's output.
  private func begin(
    _ pass: Range<Int>, carried: Matrix<B.Buffer>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    let (backend, scale) = (forward.backend, forward.tower.logitScale)
    switch start {
    case .classToken:
      try backend.fill(Fill(carried, with: 0))
      try backend.fill(Fill(carried.columns(0..<1), with: 1))
    case .pooler(let query, let scratch):
      let map = try query.map(forward)
      try query.poolerBackward(pass, forward, scratch: scratch, factor: scale, output: gradients.stream) {
        gradient throws(BackendError) in
        try backend.keyRelevance(
          KeyRelevance(
            .positiveProduct, map: map, gradient: gradient, heads: query.heads, factor: scale / Float(query.heads),
            relevance: carried))
      }
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collect(relevance) }
}
