import Compute
import VisionTransformer

/// The backward of a score that reads the class token of a block's output, down to the class token's row of that
/// block's attention maps (methods §2.3): one row per image and prompt all the way.
struct RowBackward<B: Backend>: QueryGradient {
  private let readOut: ReadOut<B>
  @Planned private var embeddingGradient: Matrix<B.Buffer>
  private let gradients: LocalGradients<B>
  @Planned private var scores: Matrix<B.Buffer>

  /// - Parameter readOut: what reads the scores.
  init(_ sizes: RunSizes<B>, _ readOut: ReadOut<B>, in plan: inout WorkspacePlan<B>) {
    self.readOut = readOut
    _embeddingGradient = plan.reserve(rows: sizes.groupsPerPass, columns: sizes.tower.embeddingWidth)
    _scores = plan.reserve(rows: sizes.groupsPerPass * sizes.heads, columns: sizes.shape.tokens)
    gradients = LocalGradients(
      images: sizes.shape.images, stack: RowStack(copies: sizes.promptsPerPass, rows: 1),
      shape: sizes.tower.blockShape, in: &plan)
  }

  var reach: BackwardReach { .attention }

  func mapGradient(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    try run(forward.lastBlock, pass, forward)
  }

  /// The gradients at the class token's rows, of `factor` times the scores that were read last: of the
  /// stream between attention and MLP, and of the attention's output, `[images · prompts, width]`.
  func atAttention(
    _ block: Int, _ pass: Range<Int>, _ forward: SharedForward<B>, factor: Float = 1
  ) throws(BackendError) -> (middle: Matrix<B.Buffer>, attentionOutput: Matrix<B.Buffer>) {
    let (tower, images) = (forward.tower, forward.shape.images)
    let stack = RowStack(copies: pass.count, rows: 1)
    let gradients = self.gradients.part(images: images, stack: stack)
    try readOut.backward(
      directions: forward.directions.rows(pass), factor: factor,
      embeddingGradient: embeddingGradient.rows(0..<images * pass.count), gradient: gradients.token, tower: tower)
    try tower.blocks[block].localBackward(
      forward.activations.block.firstRows(forward.shape.tokens), stack: stack, gradients: gradients, on: tower.backend)
    return (gradients.middle, gradients.attentionOutput)
  }

  /// The gradients of the scores at the class token's row of each map, `[images · prompts · heads, tokens]`.
  func run(_ block: Int, _ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    let (sizes, shape) = (forward.sizes, forward.shape)
    let gradient = try atAttention(block, pass, forward).attentionOutput
    let scores = scores.rows(0..<shape.images * pass.count * sizes.heads)
    try forward.backend.keyScores(
      KeyScores(
        rows: gradient, tokens: forward.activations.block.values, heads: sizes.heads,
        stack: RowStack(copies: pass.count, rows: shape.tokens), scores: scores))
    return scores
  }
}
