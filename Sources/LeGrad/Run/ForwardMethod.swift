import Compute
import Failures
import VisionTransformer

/// A method's part in a run: it looks at the forward while it passes, or goes back through the blocks afterwards.
protocol ForwardMethod<B>: Sendable {
  associatedtype B: Backend

  /// What is kept of one block at a time.
  var reach: BackwardReach { get }
  /// The first block whose input must be kept; nil where none is.
  var firstCheckpoint: Int? { get }
  /// Whether the forward of `block` must keep the activation's derivative.
  func keepsDerivative(of block: Int) -> Bool
  /// Whether the mean token of the last block's output is read.
  var readsLastMeanToken: Bool { get }

  /// Once, when the memory is there: fills in what neither images nor prompts change.
  func prepare() throws(ModelError)
  /// When the prompts are others than before: unit rows `[prompts, embedding]`, which `forward.directions` has already.
  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError)

  /// After `block`: its activations are those of the forward, and `stream` is its output, but for the last block of a
  /// tower whose head reads tokens, which has the rows that are read.
  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError)
  /// After the last of `blocks`, whose activations and outputs are all there: every block once, in groups.
  func visit(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError)
  /// After the embedding was read: the activations are still those of the last block.
  func finish(_ forward: SharedForward<B>) throws(BackendError)
  /// When blocks may be computed again from their checkpoints.
  func retrace(_ forward: SharedForward<B>) throws(BackendError)
  /// At the very end, for a method with a forward of its own.
  func explain(_ images: ArraySlice<PreparedImage>, _ forward: SharedForward<B>) throws(ModelError)
  /// Downloads the relevance, per image `[layers, prompts, height, width]`.
  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]]
}

extension ForwardMethod {
  var reach: BackwardReach { .none }
  var firstCheckpoint: Int? { nil }
  func keepsDerivative(of block: Int) -> Bool { false }
  var readsLastMeanToken: Bool { false }
  func prepare() throws(ModelError) {}
  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError) {}
  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {}
  func visit(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {}
  func finish(_ forward: SharedForward<B>) throws(BackendError) {}
  func retrace(_ forward: SharedForward<B>) throws(BackendError) {}
  func explain(_ images: ArraySlice<PreparedImage>, _ forward: SharedForward<B>) throws(ModelError) {}
}

/// A method and what it reads of the model and the question at hand.
struct MethodRequest: Sendable, Equatable {
  let method: Method
  let blocks: Range<Int>
  /// How many of the text rows, from the first: the row of a correction is not for every method.
  let prompts: Int
}

/// What a method plans its part of a run with: the model, what is asked of it and of its company, and the memory.
struct RunPlan<B: Backend> {
  let source: any WeightSource
  /// What makes the embedding of this tower.
  let head: any EmbeddingHead<B>
  /// The blocks that methods look at together.
  let joined: JoinedBlocks
  /// Of all methods of the run.
  let requests: [MethodRequest]
  var memory: WorkspacePlan<B>
  private let tower: VisionTower<B>
  private let shape: VisionShape
  /// The method that plans.
  private var request: MethodRequest?
  private var parts: [any Sendable] = []

  init(
    _ tower: VisionTower<B>, source: any WeightSource, shape: VisionShape, requests: [MethodRequest],
    joined: JoinedBlocks
  ) {
    var memory = WorkspacePlan<B>()
    head = tower.planHead(shape, joined: joined.count, in: &memory)
    self.joined = joined
    self.memory = memory
    self.source = source
    self.tower = tower
    self.shape = shape
    self.requests = requests
  }

  /// The sizes of the method that plans.
  var sizes: RunSizes<B> {
    RunSizes(tower: tower, shape: shape, prompts: request?.prompts ?? 0, joined: joined.count)
  }
  /// The blocks that it reads.
  var blocks: Range<Int> { request?.blocks ?? 0..<0 }

  /// The parts of all methods, in the order of the requests.
  mutating func methods() throws(BackendError) -> [any ForwardMethod<B>] {
    var methods: [any ForwardMethod<B>] = []
    for request in requests where request.prompts > 0 {
      self.request = request
      guard let method = request.method.description.plan(&self) else {
        throw BackendError(
          .unsupported, operation: .explain, "\(request.method.name) is not defined for this vision tower")
      }
      methods.append(method)
    }
    return methods
  }

  /// What several methods of a run have together: made for the first that asks.
  mutating func shared<Part: Sendable>(_ make: (inout RunPlan) -> Part) -> Part {
    for case let part as Part in parts { return part }
    let part = make(&self)
    parts.append(part)
    return part
  }
}
