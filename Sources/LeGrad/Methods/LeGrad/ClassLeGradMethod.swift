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
    backward = RowBackward(run.sizes, reader, blocks: run.joined.count, in: &run.memory)
    maps = LayerMaps(&run)
  }

  var reach: BackwardReach { backward.reach }

  func read(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let shape = forward.shape
    let readOut = reader.readOut(blocks: blocks.count)
    // Of the last block nothing but two rows is there.
    let whole = blocks.lowerBound..<min(blocks.upperBound, sizes.lastBlock)
    let rows = whole.count * shape.images
    if !whole.isEmpty {
      let classTokens = forward.activations(of: whole).stream.everyRow(shape.tokens)
      try forward.backend.copy(Copy(classTokens, to: readOut.input.rows(0..<rows)))
    }
    if whole.count < blocks.count {
      try forward.backend.copy(Copy(reader.tail.classToken, to: readOut.input.rows(rows..<rows + shape.images)))
    }
    try readOut.forward(forward.tower)
  }

  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    // The mean is over all queries, of which the others give nothing.
    try forward.backend.keyRelevance(
      KeyRelevance(
        .positiveGradient, gradient: backward.run(blocks, pass, forward), heads: sizes.heads,
        factor: 1 / Float(sizes.heads * forward.shape.tokens), relevance: maps))
  }
}
