import Compute
import Synchronization
import VisionTransformer

/// Several methods on one forward, with all memory for explaining batches of one shape. Used by one caller at a time.
final class MethodRun<B: Backend>: Sendable {
  /// Bytes of the memory beside the weights.
  let bytes: Int

  private let forward: SharedForward<B>
  private let methods: [any ForwardMethod<B>]
  private let requests: [MethodRequest]
  /// The text that the methods were asked for last.
  private let asked = Mutex<[Float]>([])
  private let repetition = Mutex(Repetition.first)

  /// How the operations of the next batch come about, which are those of every batch.
  private enum Repetition {
    /// Given: kernels are built and scratch memory is taken.
    case first
    /// Given, to be recorded.
    case second
    case recorded(any RecordedOperations)
    /// Given, always.
    case never
  }

  /// Plans and takes all memory of a run.
  /// - Parameter prompts: 0 for embeddings alone.
  init(
    tower: VisionTower<B>, source: any WeightSource, shape: VisionShape, prompts: Int, requests: [MethodRequest]
  ) throws(ModelError) {
    self.requests = prompts > 0 ? requests : []
    do { (forward, methods, bytes) = try Self.plan(tower, source, shape, prompts, self.requests) } catch {
      throw .backend(error)
    }
    for method in methods { try method.prepare() }
  }

  /// With as many blocks together as are worth it and find memory.
  private static func plan(
    _ tower: VisionTower<B>, _ source: any WeightSource, _ shape: VisionShape, _ prompts: Int,
    _ requests: [MethodRequest]
  ) throws(BackendError) -> (SharedForward<B>, [any ForwardMethod<B>], bytes: Int) {
    var joined = joinedBlocks(tower, shape, prompts, requests)
    while true {
      do throws(BackendError) {
        var plan = RunPlan(tower, source: source, shape: shape, requests: requests, joined: joined)
        let methods = try plan.methods()
        let forward = SharedForward(
          RunSizes(tower: tower, shape: shape, prompts: prompts), head: plan.head, methods: methods, joined: joined,
          in: &plan.memory)
        try plan.memory.fulfil(on: tower.backend)
        try forward.prepare()
        return (forward, methods, plan.memory.bytes)
      } catch {
        guard error.code == .outOfMemory, let fewer = joined.halved else { throw error }
        joined = fewer
      }
    }
  }

  private static func joinedBlocks(
    _ tower: VisionTower<B>, _ shape: VisionShape, _ prompts: Int, _ requests: [MethodRequest]
  ) -> JoinedBlocks {
    let blocks = requests.filter { $0.method.description.joinsBlocks }.map(\.blocks)
    guard let first = blocks.map(\.lowerBound).min(), let end = blocks.map(\.upperBound).max() else { return .none }
    return JoinedBlocks(first..<end, rows: shape.rows * prompts, limit: tower.backend.rowsToJoin)
  }

  /// Explains `shape.images` images.
  /// - Parameters:
  ///   - text: unit rows `[prompts, embedding]`, as many as the run was planned for. Uploaded if they are not those of the
  ///     call before.
  ///   - isCancelled: asked before each block.
  func explain(
    _ images: ArraySlice<PreparedImage>, text: [Float], isCancelled: @escaping @Sendable () -> Bool
  ) throws(ModelError) -> RunResult {
    var forward = forward
    forward.isCancelled = isCancelled
    do throws(BackendError) {
      try ask(text)
      try run(forward, images)
    } catch { throw .backend(error) }
    for method in methods { try method.explain(images, forward) }
    do throws(BackendError) { return try collect() } catch { throw .backend(error) }
  }

  private func ask(_ text: [Float]) throws(BackendError) {
    try asked.withLock { asked throws(BackendError) in
      guard asked != text else { return }
      asked = []
      try forward.backend.upload(text.span, to: forward.directions)
      for (method, request) in zip(methods, requests) {
        try method.ask(text[..<(request.prompts * forward.tower.embeddingWidth)], forward)
      }
      asked = text
    }
  }

  private func run(_ forward: SharedForward<B>, _ images: ArraySlice<PreparedImage>) throws(BackendError) {
    let activations = forward.activations
    for (row, image) in images.enumerated() {
      try forward.backend.upload(image.pixels.span, to: activations.pixels.rows(row..<row + 1))
    }
    try forward.checkCancellation()
    if !repeated(forward) { try operate(forward) }
  }

  /// Whether the operations were done as they were recorded.
  private func repeated(_ forward: SharedForward<B>) -> Bool {
    repetition.withLock { repetition in
      if case .recorded(let operations) = repetition {
        if operations.run() { return true }
        repetition = .second
      }
      switch repetition {
      case .first: repetition = .second
      case .second:
        let operations = forward.backend.record { () throws(BackendError) in try operate(forward) }
        guard let operations, operations.run() else {
          repetition = .never
          return false
        }
        repetition = .recorded(operations)
        return true
      case .recorded, .never: break
      }
      return false
    }
  }

  /// Everything between what goes up and what comes down.
  private func operate(_ forward: SharedForward<B>) throws(BackendError) {
    let (tower, activations) = (forward.tower, forward.activations)
    try tower.embed(activations, to: forward.input(of: 0))
    for block in tower.blocks.indices { try run(block, of: forward) }
    try forward.head.embed(forward)
    for method in methods { try method.finish(forward) }
    // What goes back through the blocks comes last: it leaves other activations behind.
    for method in methods { try method.retrace(forward) }
  }

  private func run(_ block: Int, of forward: SharedForward<B>) throws(BackendError) {
    try forward.checkCancellation()
    let (backend, activations) = (forward.backend, forward.activations(of: block))
    let (weights, input) = (forward.tower.blocks[block], forward.input(of: block))
    if let checkpoint = forward.checkpoint(of: block) {
      try backend.copy(Copy(input, to: checkpoint))
    }
    try weights.forwardToHidden(
      activations.reading(input), tokens: forward.shape.tokens, mask: .none,
      keepDerivative: methods.contains { $0.keepsDerivative(of: block) },
      // For an embedding alone nobody looks at the other rows.
      firstRowsAlone: methods.isEmpty && block == forward.lastBlock && forward.head.readsFirstRowsAlone, on: backend)
    if block == forward.lastBlock {
      try forward.head.runLastBlock(forward, readsMeanToken: methods.contains(where: \.readsLastMeanToken))
    } else {
      try weights.forwardFromHidden(
        hidden: activations.hidden, middle: activations.middle, output: activations.stream, on: backend)
    }
    for method in methods { try method.visit(block, forward) }
    guard let blocks = forward.group(endingWith: block) else { return }
    for method in methods { try method.visit(blocks, forward) }
  }

  private func collect() throws(BackendError) -> RunResult {
    var relevance: [[[Float]]] = []
    for method in methods { relevance.append(try method.collect(forward)) }
    let embeddings = try forward.sizes.values(of: forward.head.embedding)
    let width = forward.tower.embeddingWidth
    return RunResult(
      relevance: relevance,
      embeddings: (0..<forward.shape.images).map { Array(embeddings[$0 * width..<($0 + 1) * width]) })
  }
}

/// What one run gives.
struct RunResult: Sendable {
  /// By method, then image: `[layers, prompts, height, width]`.
  let relevance: [[[Float]]]
  /// Per image the unit image embedding.
  let embeddings: [[Float]]
}
