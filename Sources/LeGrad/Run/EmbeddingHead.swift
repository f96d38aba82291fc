import Compute
import VisionTransformer

/// What makes the image's embedding of the last block's output, with its memory.
protocol EmbeddingHead<B>: Sendable {
  associatedtype B: Backend

  /// Unit rows `[images, embedding]`; a classifier's features as they are.
  var embedding: Matrix<B.Buffer> { get }
  /// What reads one token of an image; nil where all tokens are read together.
  var tokenReader: TokenReader<B>? { get }
  /// The head itself where one query's attention makes the embedding; nil where tokens are averaged.
  var query: (any QueryHead<B>)? { get }

  /// Whether of the last block's output the first row of each image makes the embedding, and no other is read.
  var readsFirstRowsAlone: Bool { get }

  /// Fills in what no image changes.
  func prepare(on backend: B) throws(BackendError)
  /// The last block's second MLP product, as far as its output is read.
  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError)
  /// The model's own embedding, after that.
  func embed(_ forward: SharedForward<B>) throws(BackendError)
}

extension EmbeddingHead {
  var tokenReader: TokenReader<B>? { nil }
  var query: (any QueryHead<B>)? { nil }
  var readsFirstRowsAlone: Bool { false }
  func prepare(on backend: B) throws(BackendError) {}
}

/// A head that reads the embedding by the attention of one query to the tokens: the class token's in the last block, or
/// an attention pooler's (methods §2.3, §2.6).
protocol QueryHead<B>: EmbeddingHead {
  /// Heads of that attention.
  var heads: Int { get }

  /// Memory for the attention, `[images · heads, tokens]`.
  func planMap(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> Planned<Matrix<B.Buffer>>
  /// Leaves the attention in that memory. To be called while the activations are those of the last block.
  func read(into map: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError)
  /// The row that a product of all blocks' maps begins with: the query's attention to the last block's output, mean of
  /// the heads, `[images, tokens]`.
  func start(_ row: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError)

  func planGradient(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryGradient<B>
  func planBackward(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryBackward<B>
}

/// The gradient of the similarities at the attention that the embedding is read by.
protocol QueryGradient<B>: Sendable {
  associatedtype B: Backend

  /// How far it goes back through the last block.
  var reach: BackwardReach { get }

  /// The gradient of a pass's similarities, `[images · prompts · heads, tokens]`.
  func mapGradient(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer>
}

/// Where a backward through all blocks begins, and the row that is carried beside it.
protocol QueryBackward<B>: Sendable {
  associatedtype B: Backend

  /// The row before the last block, `[images · prompts, tokens]`, and as far as it is there the gradient of `factor`
  /// times a pass's similarities at that block's output.
  /// - Parameter share: given map and gradient where the query is not one of the block's tokens; fills the row.
  func begin(
    _ pass: Range<Int>, row: Matrix<B.Buffer>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float, share: (Matrix<B.Buffer>, Matrix<B.Buffer>) throws(BackendError) -> Void
  ) throws(BackendError)

  /// From there to the last block's attention, whose activations are those of `input`.
  func backwardToAttention(
    _ input: BlockActivations<B>, _ pass: Range<Int>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float
  ) throws(BackendError)
}

extension VisionTower {
  /// Plans the head of this tower.
  /// - Parameter joined: blocks that it reads at once, as if their images were more.
  func planHead(_ shape: VisionShape, joined: Int, in plan: inout WorkspacePlan<B>) -> any EmbeddingHead<B> {
    if let pooler { return PoolerHead(pooler, shape, joined: joined, tower: self, in: &plan) }
    if let parts = TokenPart.parts(of: configuration) {
      return PartsHead(parts, shape, joined: joined, tower: self, in: &plan)
    }
    let reader = TokenReader(images: shape.images, joined: joined, tower: self, in: &plan)
    return configuration.pooling == .classToken
      ? ClassTokenHead(reader, heads: blockShape.heads)
      : MeanTokenHead(
        reader, scoresPatches: configuration.blockScore == .ownPooling && !configuration.averagesLeadingTokens)
  }
}
