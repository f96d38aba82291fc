import Compute
import VisionTransformer

/// LeGrad where a block's score reads a mean of its tokens (methods §1.2, §11): block by block, without a tape.
///
/// Block `l`'s score of prompt `p` is `text_p · readOut(mean token of block l's output)`. Its gradient at the
/// block's own attention map, clamped at zero and averaged over heads and queries, is the relevance of the keys. A
/// model that reads the mean of its patches alone is asked for that (methods §1.8).
struct LeGradMethod<B: Backend>: LayerMethod {
  let maps: LayerMaps<B>
  private let reader: TokenReader<B>
  private let readsPatches: Bool
  /// The prompts' directions of one token, where the model's head reads two.
  @Planned private var directions: Matrix<B.Buffer>?
  private let gradients: any SharedTokenBackward<B>
  @Planned private var embeddingGradient: Matrix<B.Buffer>

  /// - Parameter readsPatches: whether the mean is that of the patches alone.
  init(_ reader: TokenReader<B>, readsPatches: Bool, _ run: inout RunPlan<B>) {
    let (sizes, shape) = (run.sizes, run.sizes.shape)
    let embeddingWidth = sizes.tower.projection?.outputs ?? sizes.tower.blockShape.width
    self.reader = reader
    self.readsPatches = readsPatches
    _directions = run.memory.reserve(
      rows: sizes.prompts, columnsIfAny: embeddingWidth == sizes.tower.embeddingWidth ? nil : embeddingWidth)
    _embeddingGradient = run.memory.reserve(rows: sizes.joinedGroups, columns: embeddingWidth)
    maps = LayerMaps(&run)
    let stack = RowStack(copies: sizes.promptsPerPass, rows: shape.tokens)
    let block = sizes.tower.blockShape
    if block.isFolded {
      gradients = FoldedGradients(images: sizes.joinedImages, stack: stack, shape: block, in: &run.memory)
    } else {
      gradients = LocalGradients(images: sizes.joinedImages, stack: stack, shape: block, in: &run.memory)
    }
  }

  var reach: BackwardReach { .attention }
  var readsLastMeanToken: Bool { maps.blocks.contains(sizes.lastBlock) && !readsPatches }

  /// A head of two tokens says of their mean what it says of both.
  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError) {
    guard let directions else { return }
    let (columns, width) = (forward.tower.embeddingWidth, directions.columns)
    let sums = (0..<sizes.prompts).flatMap { prompt in
      (0..<width).map { column in
        stride(from: column, to: columns, by: width).reduce(Float(0)) {
          $0 + text[text.startIndex + prompt * columns + $1]
        }
      }
    }
    try forward.backend.upload(sums.span, to: directions)
  }

  func read(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, shape) = (forward.backend, forward.shape)
    let readOut = reader.readOut(blocks: blocks.count)
    if readsPatches {
      try readOut.readPatches(of: forward.activations(of: blocks).stream, shape: shape, on: backend)
    } else {
      // Of the last block nothing but two rows is there.
      let whole = blocks.lowerBound..<min(blocks.upperBound, sizes.lastBlock)
      let rows = whole.count * shape.images
      if !whole.isEmpty {
        try backend.meanRows(
          MeanRows(
            input: forward.activations(of: whole).stream, rowsPerGroup: shape.tokens,
            output: readOut.input.rows(0..<rows)))
      }
      if whole.count < blocks.count {
        try backend.copy(Copy(reader.tail.meanToken, to: readOut.input.rows(rows..<rows + shape.images)))
      }
    }
    try readOut.forward(forward.tower)
  }

  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    let (tower, shape, images) = (forward.tower, forward.shape, blocks.count * forward.shape.images)
    let stack = RowStack(copies: pass.count, rows: shape.tokens)
    let gradients = self.gradients.part(images: images, stack: stack)
    try reader.readOut(blocks: blocks.count).backward(
      directions: (directions ?? forward.directions).rows(pass),
      factor: 1 / Float(readsPatches ? shape.grid.count : shape.tokens),
      embeddingGradient: embeddingGradient.rows(0..<images * pass.count), gradient: gradients.token,
      tower: tower)
    let outputGradient = try gradients.run(
      tower.group(blocks), forward.activations(of: blocks), stack: stack, on: tower.backend)
    if readsPatches {
      // Nobody reads what the leading tokens ask.
      for token in 0..<shape.leadingTokens {
        try tower.backend.fill(Fill(outputGradient.everyRow(shape.tokens, from: token), with: 0))
      }
    }
    try fill(maps, of: blocks, outputGradient: outputGradient, stack, forward)
  }
}
