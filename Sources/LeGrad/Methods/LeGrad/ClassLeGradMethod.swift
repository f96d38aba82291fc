import Compute
import VisionTransformer

/// LeGrad with each block's score read from the class token: only query 0 of a map carries a gradient then, so that one
/// row goes back instead of all.
struct ClassLeGradMethod<B: Backend>: LayerMethod {
  let maps: LayerMaps<B>
  private let reader: TokenReader<B>
  private let backward: RowBackward<B>

  init(_ reader: TokenReader<B>, _ run: inout RunPlan<B>) {
    self.reader = reader
    backward = RowBackward(run.sizes, reader.readOut, in: &run.memory)
    maps = LayerMaps(&run)
  }

  var reach: BackwardReach { backward.reach }

  func read(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    let classToken =
      block == sizes.lastBlock
      ? reader.tail.classToken : forward.activations.block.stream.everyRow(forward.shape.tokens)
    try forward.backend.copy(Copy(classToken, to: reader.readOut.input))
    try reader.readOut.forward(forward.tower)
  }

  func fill(
    _ maps: Matrix<B.Buffer>, of block: Int, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    // The mean is over all queries, of which the others give nothing.
    try forward.backend.keyRelevance(
      KeyRelevance(
        .positiveGradient, gradient: backward.run(block, pass, forward), heads: sizes.heads,
        factor: 1 / Float(sizes.heads * forward.shape.tokens), relevance: maps))
  }
}
