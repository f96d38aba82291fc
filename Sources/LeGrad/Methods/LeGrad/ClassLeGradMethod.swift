import Compute
import VisionTransformer

/// LeGrad with each block's score read from the class token: only query 0 of a map carries a gradient then, so that one
/// row goes back instead of all.
struct ClassLeGradMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let blocks: Range<Int>
  private let reader: TokenReader<B>
  private let backward: RowBackward<B>
  /// `[layers · prompts · images, tokens]`.
  @Planned private var relevance: Matrix<B.Buffer>

  init(_ reader: TokenReader<B>, _ run: inout RunPlan<B>) {
    let (sizes, shape) = (run.sizes, run.sizes.shape)
    self.sizes = sizes
    self.reader = reader
    blocks = run.blocks
    backward = RowBackward(sizes, reader.readOut, in: &run.memory)
    _relevance = run.memory.reserve(rows: blocks.count * sizes.prompts * shape.images, columns: shape.tokens)
  }

  var reach: BackwardReach { backward.reach }
  func keepsDerivative(of block: Int) -> Bool { blocks.contains(block) }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    guard blocks.contains(block) else { return }
    let tokens = forward.shape.tokens
    let classToken =
      block == sizes.lastBlock ? reader.tail.classToken : forward.activations.block.stream.everyRow(tokens)
    try forward.backend.copy(Copy(classToken, to: reader.readOut.input))
    try reader.readOut.forward(forward.tower)
    for pass in sizes.passes {
      let mapGradient = try backward.run(block, pass, forward)
      // The mean is over all queries, of which the others give nothing.
      try forward.backend.keyRelevance(
        KeyRelevance(
          .positiveGradient, gradient: mapGradient, heads: sizes.heads, factor: 1 / Float(sizes.heads * tokens),
          relevance: relevance.rows(sizes.rows(layer: block - blocks.lowerBound, pass: pass))))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try sizes.collect(relevance, layers: blocks.count)
  }
}
