import Compute
import VisionTransformer

/// The attention of the one query that the model's embedding is read by, and the gradient of the scores at it: the class
/// token's in the last block, or an attention pooler's (methods §2.3, §2.6).
struct QueryAttention<B: Backend>: Sendable {
  let heads: Int
  private let query: Query

  private enum Query: Sendable {
    case classToken(map: Matrix<B.Buffer>, RowBackward<B>?)
    case pooler(PoolerGradients<B>?)
  }

  enum Slots {
    case classToken(map: WorkspacePlan.Slot, RowBackward<B>.Slots?)
    case pooler(PoolerGradients<B>.Slots?)
  }

  /// - Parameter hasGradient: whether `mapGradient` will be called.
  static func reserve(_ sizes: RunSizes<B>, hasGradient: Bool, in plan: inout WorkspacePlan) -> Slots {
    guard let pooler = sizes.tower.pooler else {
      return .classToken(
        map: plan.reserve(rows: sizes.shape.images * sizes.heads, columns: sizes.shape.tokens),
        hasGradient ? RowBackward<B>.reserve(sizes, in: &plan) : nil)
    }
    guard hasGradient else { return .pooler(nil) }
    return .pooler(
      PoolerGradients<B>.reserve(
        groups: sizes.groupsPerPass, mapGroups: sizes.groupsPerPass, tokens: sizes.shape.tokens, pooler: pooler,
        in: &plan))
  }

  init(_ slots: Slots, sizes: RunSizes<B>, in workspace: Workspace<B>) {
    heads = sizes.tower.pooler?.heads ?? sizes.heads
    switch slots {
    case .classToken(let map, let backward):
      query = .classToken(map: workspace[map], backward.map { RowBackward($0, in: workspace) })
    case .pooler(let gradients):
      query = .pooler(gradients.map { PoolerGradients($0, in: workspace) })
    }
  }

  /// `[images · heads, tokens]`. To be called while the activations are those of the last block.
  func map(_ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    switch (query, forward.head) {
    case (.classToken(let map, _), .row):
      try forward.classAttention(into: map)
      return map
    case (.pooler, .pooler(_, let activations)): return activations.map
    default: preconditionFailure("a query and a head of two kinds")
    }
  }

  /// The gradient of a pass's similarities at the map, `[images · prompts · heads, tokens]`.
  func mapGradient(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    switch (query, forward.head) {
    case (.classToken(_, let backward?), .row): return try backward.run(forward.sizes.lastBlock, pass, forward)
    case (.pooler(let gradients?), .pooler): return try poolerBackward(gradients, pass, forward).map
    default: preconditionFailure("a gradient without memory for it")
    }
  }

  /// Goes back from a pass's scores, which are `factor` times its similarities, to a pooler's map, and from there to the
  /// last block's output.
  /// - Parameter read: given the gradient of the similarities at the map, as `mapGradient` has it, which the backward then
  ///   writes over.
  func poolerBackward(
    _ pass: Range<Int>, _ forward: SharedForward<B>, scratch: PoolerTokenGradients<B>, factor: Float,
    output: Matrix<B.Buffer>, read: (Matrix<B.Buffer>) throws(BackendError) -> Void
  ) throws(BackendError) {
    guard case .pooler(let memory?) = query, case .pooler(let pooler, let activations) = forward.head else {
      preconditionFailure("a gradient without memory for it")
    }
    let gradients = try poolerBackward(memory, pass, forward)
    try read(gradients.map)
    try pooler.backwardToStream(
      forward.activations.block.stream, activations, prompts: pass.count, gradients: gradients, scratch: scratch,
      factor: factor, output: output, tower: forward.tower)
  }

  private func poolerBackward(
    _ memory: PoolerGradients<B>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) -> PoolerGradients<B> {
    guard case .pooler(let pooler, let activations) = forward.head else {
      preconditionFailure("a tower without an attention pooler")
    }
    let gradients = PoolerGradients(memory, groups: forward.shape.images * pass.count, heads: heads)
    try pooler.backward(
      scoresOf: forward.directions.rows(pass), activations, gradients: gradients, tower: forward.tower)
    try pooler.mapGradient(
      activations, directions: gradients.directions, gradient: gradients.map, on: forward.backend)
    return gradients
  }
}
