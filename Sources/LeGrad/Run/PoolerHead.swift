import Compute
import VisionTransformer

/// Reads all tokens of the last block's output by an attention pooler: SigLIP's, CoCa's and timm's.
struct PoolerHead<B: Backend>: QueryHead {
  let pooler: AttentionPooler<B>
  /// Of as many blocks as are read at once.
  private let joinedActivations: PoolerActivations<B>
  private let images: Int

  init(
    _ pooler: AttentionPooler<B>, _ shape: VisionShape, joined: Int, tower: VisionTower<B>,
    in plan: inout WorkspacePlan<B>
  ) {
    self.pooler = pooler
    images = shape.images
    joinedActivations = PoolerActivations(
      shape.of(images: joined * shape.images), pooler: pooler, tower: tower, in: &plan)
  }

  /// Of one block.
  var activations: PoolerActivations<B> { activations(blocks: 1) }

  /// Of so many.
  func activations(blocks: Int) -> PoolerActivations<B> { joinedActivations.part(images: blocks * images) }

  var heads: Int { pooler.heads }
  var embedding: Matrix<B.Buffer> { activations.embedding }
  var query: (any QueryHead<B>)? { self }

  func prepare(on backend: B) throws(BackendError) { try pooler.prepare(joinedActivations, on: backend) }

  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    try forward.runWholeLastBlock()
  }

  func embed(_ forward: SharedForward<B>) throws(BackendError) {
    try pooler.embed(forward.lastActivations.stream, activations, tower: forward.tower)
  }

  func planMap(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> Planned<Matrix<B.Buffer>> {
    let rows = images * heads
    return joinedActivations.plannedMap.map { $0.rows(0..<rows) }
  }

  /// It is there since the embedding was read.
  func read(into map: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError) {}

  func start(_ row: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError) {
    try forward.backend.keyRelevance(
      KeyRelevance(.map, map: activations.map, heads: heads, factor: 1 / Float(heads), relevance: row))
  }

  func planGradient(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryGradient<B> {
    PoolerBackward(self, sizes, in: &plan)
  }

  func planBackward(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryBackward<B> {
    PoolerStreamBackward(
      backward: PoolerBackward(self, sizes, in: &plan),
      scratch: PoolerTokenGradients(
        groups: sizes.groupsPerPass, tokens: sizes.shape.tokens, pooler: pooler, in: &plan))
  }
}

/// The backward of the model's own scores to the pooler's attention.
private struct PoolerBackward<B: Backend>: QueryGradient {
  let head: PoolerHead<B>
  private let memory: PoolerGradients<B>

  init(_ head: PoolerHead<B>, _ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) {
    self.head = head
    memory = PoolerGradients(
      groups: sizes.groupsPerPass, mapGroups: sizes.groupsPerPass, tokens: sizes.shape.tokens, pooler: head.pooler,
      tower: sizes.tower, in: &plan)
  }

  /// The pooler is behind the last block.
  var reach: BackwardReach { .none }

  func mapGradient(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    try run(pass, forward).map
  }

  func run(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> PoolerGradients<B> {
    let gradients = memory.part(groups: forward.shape.images * pass.count, heads: head.heads)
    try head.pooler.backward(
      scoresOf: forward.directions.rows(pass), head.activations, gradients: gradients, tower: forward.tower)
    try head.pooler.mapGradient(
      head.activations, directions: gradients.directions, gradient: gradients.map, on: forward.backend)
    return gradients
  }
}

/// The backward of the model's own scores through the pooler to the last block's output.
private struct PoolerStreamBackward<B: Backend>: QueryBackward {
  let backward: PoolerBackward<B>
  let scratch: PoolerTokenGradients<B>

  func begin(
    _ pass: Range<Int>, row: Matrix<B.Buffer>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float, share: (Matrix<B.Buffer>, Matrix<B.Buffer>) throws(BackendError) -> Void
  ) throws(BackendError) {
    let (head, pooled) = (backward.head, try backward.run(pass, forward))
    // The rest of the backward writes over the map's gradient.
    try share(head.activations.map, pooled.map)
    try head.pooler.backwardToStream(
      forward.lastActivations.stream, head.activations, prompts: pass.count, gradients: pooled, scratch: scratch,
      factor: factor, output: gradients.stream, tower: forward.tower)
  }

  func backwardToAttention(
    _ input: BlockActivations<B>, _ pass: Range<Int>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float
  ) throws(BackendError) {
    try forward.tower.group(forward.lastBlock..<forward.lastBlock + 1).backwardToAttention(
      input, stack: RowStack(copies: pass.count, rows: forward.shape.tokens), gradients: gradients,
      on: forward.backend)
  }
}
