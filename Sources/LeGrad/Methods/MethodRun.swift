import Compute
import Synchronization
import VisionTransformer

/// A method's part in a run: it looks at the forward while it passes, or goes back through the blocks afterwards.
protocol ForwardMethod<B>: Sendable {
  associatedtype B: Backend

  /// Whether the forward of `block` must keep the activation's derivative.
  func keepsDerivative(of block: Int) -> Bool
  /// Whether the mean token of the last block's output is read.
  var readsLastMeanToken: Bool { get }

  /// After `block`: its activations are those of the forward, and `stream` is its output, but for the last block of a
  /// tower without an attention pooler, of whose output `tail` has the rows that are read.
  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError)
  /// After the embedding was read: the activations are still those of the last block.
  func finish(_ forward: SharedForward<B>) throws(BackendError)
  /// At the very end, when blocks may be computed again from their checkpoints.
  func retrace(_ forward: SharedForward<B>) throws(BackendError)
  /// Downloads the relevance, per image `[layers, prompts, height, width]`.
  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]]
}

extension ForwardMethod {
  func keepsDerivative(of block: Int) -> Bool { false }
  var readsLastMeanToken: Bool { false }
  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {}
  func finish(_ forward: SharedForward<B>) throws(BackendError) {}
  func retrace(_ forward: SharedForward<B>) throws(BackendError) {}
}

/// A method before its memory is there.
struct PlannedMethod<B: Backend> {
  /// What is kept of one block at a time.
  var reach = BackwardReach.none
  /// The first block whose input must be kept.
  var firstCheckpoint: Int?
  /// From text rows `[prompts, embedding]`, which have been uploaded; may upload what every image shares. Made again
  /// when the text changes.
  let make: @Sendable (Workspace<B>, SharedForward<B>, [Float]) throws(BackendError) -> any ForwardMethod<B>
}

/// Several methods on one forward, with all memory for explaining batches of one shape. Used by one caller at a time.
final class MethodRun<B: Backend>: Sendable {
  /// Bytes of the workspace.
  let bytes: Int

  private let forward: SharedForward<B>
  private let workspace: Workspace<B>
  private let planned: [PlannedMethod<B>]
  private let question = Mutex(Question())

  /// What is asked, and the methods that know it.
  private struct Question {
    var text: [Float] = []
    var methods: [any ForwardMethod<B>] = []
  }

  /// Plans and takes all memory of a run.
  /// - Parameter prompts: 0 for embeddings alone.
  init(
    tower: VisionTower<B>, shape: VisionShape, prompts: Int, requests: [MethodRequest]
  ) throws(BackendError) {
    let sizes = RunSizes(tower: tower, shape: shape, prompts: prompts)
    var plan = WorkspacePlan()
    let planned = prompts > 0 ? requests.map { $0.plan(sizes, in: &plan) } : []
    let visionSlots = tower.reserve(shape, backward: planned.map(\.reach).max() ?? .none, in: &plan)
    let headSlots = EmbeddingHead<B>.reserve(tower, shape, in: &plan)
    let directions = plan.reserve(rows: max(prompts, 1), columns: tower.embeddingWidth)
    let firstCheckpoint = planned.compactMap(\.firstCheckpoint).min() ?? tower.blocks.count
    let kept = tower.blocks.count - firstCheckpoint
    let checkpoints = kept > 0 ? plan.reserve(rows: kept * shape.rows, columns: tower.blockShape.width) : nil
    let workspace = try Workspace(plan, on: tower.backend)
    self.workspace = workspace
    bytes = workspace.bytes
    forward = SharedForward(
      sizes: sizes, activations: try tower.activations(visionSlots, shape: shape, in: workspace),
      head: try EmbeddingHead(headSlots, shape: shape, in: workspace, on: tower.backend),
      directions: workspace[directions], checkpoints: checkpoints.map { workspace[$0] },
      firstCheckpoint: firstCheckpoint)
    self.planned = planned
  }

  private func methods(for text: [Float]) throws(BackendError) -> [any ForwardMethod<B>] {
    try question.withLock { question throws(BackendError) in
      guard question.text != text else { return question.methods }
      question = Question()
      try forward.backend.upload(text.span, to: forward.directions)
      var methods: [any ForwardMethod<B>] = []
      for method in planned { methods.append(try method.make(workspace, forward, text)) }
      question = Question(text: text, methods: methods)
      return methods
    }
  }

  /// Explains `shape.images` images.
  /// - Parameters:
  ///   - pixels: normalised and planar, `[images, 3, height, width]`.
  ///   - text: unit rows `[prompts, embedding]`, as many as the run was planned for. Uploaded if they are not those of
  ///     the call before.
  func explain(_ pixels: Span<Float>, text: [Float]) throws(BackendError) -> RunResult {
    let methods = try methods(for: text)
    let (backend, tower, activations) = (forward.backend, forward.tower, forward.activations)
    try backend.upload(pixels, to: activations.pixels)
    try tower.embed(activations)
    for block in tower.blocks.indices { try run(block, methods) }
    try readEmbedding()
    for method in methods { try finish(method) }
    // What goes back through the blocks comes last: it leaves other activations behind.
    for method in methods { try retrace(method) }
    var relevance: [[[Float]]] = []
    for method in methods { relevance.append(try collect(method)) }
    let embeddings = try forward.sizes.values(of: forward.head.embedding)
    let width = tower.embeddingWidth
    return RunResult(
      relevance: relevance,
      embeddings: (0..<forward.shape.images).map { Array(embeddings[$0 * width..<($0 + 1) * width]) })
  }

  /// The model's own embedding, from the last block's output.
  private func readEmbedding() throws(BackendError) {
    let (tower, block) = (forward.tower, forward.activations.block)
    switch forward.head {
    case .pooler(let pooler, let activations):
      try pooler.embed(block.stream, activations, tower: tower)
    case .row(let readOut, let tail) where tower.configuration.pooling == .classToken:
      try tower.backend.copy(Copy(tail.classToken, to: readOut.input))
      try readOut.forward(tower)
    case .row(let readOut, _):
      try tower.blocks[forward.sizes.lastBlock].forwardFromHidden(
        hidden: block.hidden, middle: block.middle, output: block.stream, on: tower.backend)
      try readOut.forward(pooling: block.stream, scratch: block.normalized, shape: forward.shape, tower: tower)
    }
  }

  private func run(_ block: Int, _ methods: [any ForwardMethod<B>]) throws(BackendError) {
    let (backend, tokens) = (forward.backend, forward.shape.tokens)
    let weights = forward.tower.blocks[block]
    let activations = forward.activations.block
    if let checkpoint = forward.checkpoint(of: block) {
      try backend.copy(Copy(activations.stream, to: checkpoint))
    }
    try weights.forwardToHidden(
      activations, tokens: tokens, mask: .none, keepDerivative: methods.contains { $0.keepsDerivative(of: block) },
      on: backend)
    if block == forward.sizes.lastBlock, case .row(_, let tail) = forward.head {
      try tail.run(
        weights, activations, tokens: tokens, meanToken: methods.contains(where: \.readsLastMeanToken), on: backend)
    } else {
      try weights.forwardFromHidden(
        hidden: activations.hidden, middle: activations.middle, output: activations.stream, on: backend)
    }
    for method in methods { try visit(method, block) }
  }

  // A method's own type is opened for each call.

  private func visit(_ method: some ForwardMethod<B>, _ block: Int) throws(BackendError) {
    try method.visit(block, forward)
  }
  private func finish(_ method: some ForwardMethod<B>) throws(BackendError) { try method.finish(forward) }
  private func retrace(_ method: some ForwardMethod<B>) throws(BackendError) { try method.retrace(forward) }
  private func collect(_ method: some ForwardMethod<B>) throws(BackendError) -> [[Float]] {
    try method.collect(forward)
  }
}

/// What one run gives.
struct RunResult: Sendable {
  /// By method, then image: `[layers, prompts, height, width]`.
  var relevance: [[[Float]]]
  /// Per image the unit image embedding.
  var embeddings: [[Float]]
}

extension MethodRequest {
  /// Plans the memory of a method that shares the forward.
  fileprivate func plan<B: Backend>(
    _ batch: RunSizes<B>, in plan: inout WorkspacePlan
  ) -> PlannedMethod<B> {
    let sizes = RunSizes(tower: batch.tower, shape: batch.shape, prompts: prompts)
    return switch method {
    case .legrad where sizes.tower.pooler != nil: PoolerLeGradMethod.plan(sizes, blocks: blocks, in: &plan)
    case .legrad(_, .mean): LeGradMethod.plan(sizes, blocks: blocks, in: &plan)
    case .legrad(_, .cls): ClassLeGradMethod.plan(sizes, blocks: blocks, in: &plan)
    case .rawAttention: RawAttentionMethod.plan(sizes, in: &plan)
    case .rollout: RolloutMethod.plan(sizes, blocks: blocks, in: &plan)
    case .gradCAM: LastBlockMethod.plan(sizes, .weightedMap, in: &plan)
    case .cheferCAM: LastBlockMethod.plan(sizes, .positiveProduct, in: &plan)
    case .cheferCAMAll: CheferCAMAllMethod.plan(sizes, in: &plan)
    case .textSpan(let baseline): TextSpanMethod.plan(sizes, baseline: baseline, in: &plan)
    case .lrp, .partialLRP: preconditionFailure("\(method.name) has a forward of its own")
    }
  }
}
