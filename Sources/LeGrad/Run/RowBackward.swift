import Compute
import VisionTransformer

/// The backward of a score that reads the class token of a block's output, down to the class token's row of that
/// block's attention maps (methods §2.3): one row per image and prompt all the way.
struct RowBackward<B: Backend>: QueryGradient {
  private let reader: TokenReader<B>
  @Planned private var embeddingGradient: Matrix<B.Buffer>
  private let gradients: LocalGradients<B>
  @Planned private var scores: Matrix<B.Buffer>

  /// - Parameters:
  ///   - reader: what reads the scores.
  ///   - blocks: how many it goes through at once.
  init(_ sizes: RunSizes<B>, _ reader: TokenReader<B>, blocks: Int = 1, in plan: inout WorkspacePlan<B>) {
    let groups = blocks * sizes.groupsPerPass
    self.reader = reader
    _embeddingGradient = plan.reserve(rows: groups, columns: sizes.tower.embeddingWidth)
    _scores = plan.reserve(rows: groups * sizes.heads, columns: sizes.shape.tokens)
    gradients = LocalGradients(
      images: blocks * sizes.shape.images, stack: RowStack(copies: sizes.promptsPerPass, rows: 1),
      shape: sizes.tower.blockShape, in: &plan)
  }

  var reach: BackwardReach { .attention }

  func mapGradient(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) -> Matrix<B.Buffer> {
    try run(forward.lastBlock..<forward.lastBlock + 1, pass, forward)
  }

  /// The gradients at the class token's rows, of `factor` times the scores that were read last: of the
  /// stream between attention and MLP, and of the attention's output, `[blocks · images · prompts, width]`.
  func atAttention(
    _ blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>, factor: Float = 1
  ) throws(BackendError) -> (middle: Matrix<B.Buffer>, attentionOutput: Matrix<B.Buffer>) {
    let (tower, images) = (forward.tower, blocks.count * forward.shape.images)
    let stack = RowStack(copies: pass.count, rows: 1)
    let gradients = self.gradients.part(images: images, stack: stack)
    try reader.readOut(blocks: blocks.count).backward(
      directions: forward.directions.rows(pass), factor: factor,
      embeddingGradient: embeddingGradient.rows(0..<images * pass.count), gradient: gradients.token, tower: tower)
    try tower.group(blocks).localBackward(
      forward.activations(of: blocks).firstRows(forward.shape.tokens), stack: stack, gradients: gradients,
      on: tower.backend)
    return (gradients.middle, gradients.attentionOutput)
  }

  /// The gradients of the scores at the class token's row of each map, `[blocks · images · prompts · heads, tokens]`.
  func run(
    _ blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) -> Matrix<B.Buffer> {
    let (sizes, shape) = (forward.sizes, forward.shape)
    let gradient = try atAttention(blocks, pass, forward).attentionOutput
    let scores = scores.rows(0..<gradient.rows * sizes.heads)
    try forward.backend.keyScores(
      KeyScores(
        rows: gradient, tokens: forward.activations(of: blocks).values, heads: sizes.heads,
        stack: RowStack(copies: pass.count, rows: shape.tokens), scores: scores))
    return scores
  }
}
