import Compute
import VisionTransformer

/// What reads one token of each image: the class token or a mean, of any block.
struct TokenReader<B: Backend>: Sendable {
  /// Of as many blocks as are read at once.
  let joinedReadOut: ReadOut<B>
  /// The last block's rows that are read.
  let tail: Tail<B>
  private let images: Int

  init(images: Int, joined: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>) {
    self.images = images
    joinedReadOut = ReadOut(images: joined * images, tower: tower, in: &plan)
    tail = Tail(images: images, tower: tower, in: &plan)
  }

  /// Of one block, or so many.
  func readOut(blocks: Int = 1) -> ReadOut<B> { joinedReadOut.part(images: blocks * images) }

  /// Of the last block, the two rows of each image that are read from it.
  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    try tail.run(
      forward.tower.blocks[forward.lastBlock], forward.lastActivations, tokens: forward.shape.tokens,
      meanToken: readsMeanToken, on: forward.backend)
  }
}

/// Reads the class token of the last block's output: CLIP's.
struct ClassTokenHead<B: Backend>: QueryHead {
  let reader: TokenReader<B>
  let heads: Int

  init(_ reader: TokenReader<B>, heads: Int) {
    self.reader = reader
    self.heads = heads
  }

  var embedding: Matrix<B.Buffer> { reader.readOut().embedding }
  var tokenReader: TokenReader<B>? { reader }
  var query: (any QueryHead<B>)? { self }
  var readsFirstRowsAlone: Bool { true }

  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    try reader.runLastBlock(forward, readsMeanToken: readsMeanToken)
  }

  func embed(_ forward: SharedForward<B>) throws(BackendError) {
    let readOut = reader.readOut()
    try forward.backend.copy(Copy(reader.tail.classToken, to: readOut.input))
    try readOut.forward(forward.tower)
  }

  func planMap(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> Planned<Matrix<B.Buffer>> {
    plan.reserve(rows: sizes.shape.images * heads, columns: sizes.shape.tokens)
  }

  func read(into map: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError) {
    try read(forward.lastActivations, into: map, forward)
  }

  /// The class token's row of the maps of a block.
  func read(
    _ block: BlockActivations<B>, into map: Matrix<B.Buffer>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    let tokens = forward.shape.tokens
    try forward.backend.keyScores(
      KeyScores(
        rows: block.queries.everyRow(tokens), tokens: block.keys, heads: heads, factor: forward.sizes.scoreFactor,
        stack: RowStack(copies: 1, rows: tokens), scores: map))
    try forward.backend.softmax(Softmax(input: map, output: map))
  }

  func start(_ row: Matrix<B.Buffer>, _ forward: SharedForward<B>) throws(BackendError) {
    try Self.startAtClassToken(row, on: forward.backend)
  }

  /// The class token reads itself alone of the last block's output.
  fileprivate static func startAtClassToken(_ row: Matrix<B.Buffer>, on backend: B) throws(BackendError) {
    try backend.fill(Fill(row, with: 0))
    try backend.fill(Fill(row.columns(0..<1), with: 1))
  }

  func planGradient(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryGradient<B> {
    RowBackward(sizes, reader, in: &plan)
  }

  func planBackward(_ sizes: RunSizes<B>, in plan: inout WorkspacePlan<B>) -> any QueryBackward<B> {
    ClassTokenBackward(row: RowBackward(sizes, reader, in: &plan))
  }
}

/// The logit reads one row of the last block's output, so that its gradient there is a row per image and prompt.
private struct ClassTokenBackward<B: Backend>: QueryBackward {
  let row: RowBackward<B>

  func begin(
    _ pass: Range<Int>, row: Matrix<B.Buffer>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float, share: (Matrix<B.Buffer>, Matrix<B.Buffer>) throws(BackendError) -> Void
  ) throws(BackendError) {
    try ClassTokenHead.startAtClassToken(row, on: forward.backend)
  }

  func backwardToAttention(
    _ input: BlockActivations<B>, _ pass: Range<Int>, _ gradients: FullGradients<B>, _ forward: SharedForward<B>,
    factor: Float
  ) throws(BackendError) {
    let last = try row.atAttention(
      forward.lastBlock..<forward.lastBlock + 1, pass, forward, factor: factor)
    try gradients.startFromFirstRows(
      middle: last.middle, attentionOutput: last.attentionOutput, tokens: forward.shape.tokens, on: forward.backend)
  }
}

/// Averages tokens of the last block's output, without a token that is read.
struct MeanTokenHead<B: Backend>: EmbeddingHead {
  private let reader: TokenReader<B>
  /// Whether a block's score reads the mean of its patches, as the model does, instead of that of all tokens.
  let scoresPatches: Bool

  init(_ reader: TokenReader<B>, scoresPatches: Bool) {
    self.reader = reader
    self.scoresPatches = scoresPatches
  }

  var embedding: Matrix<B.Buffer> { reader.readOut().embedding }
  var tokenReader: TokenReader<B>? { reader }

  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    guard !scoresPatches else { return try forward.runWholeLastBlock() }
    try reader.runLastBlock(forward, readsMeanToken: readsMeanToken)
  }

  func embed(_ forward: SharedForward<B>) throws(BackendError) {
    let block = forward.lastActivations
    if !scoresPatches { try forward.runWholeLastBlock() }
    try reader.readOut().forward(
      pooling: block.stream, scratch: block.normalized, shape: forward.shape, tower: forward.tower)
  }
}

/// The last block's second MLP product, for the two rows of each image that are read from it.
struct Tail<B: Backend>: Sendable {
  @Planned private var hidden: Matrix<B.Buffer>
  @Planned private var middle: Matrix<B.Buffer>
  @Planned private var output: Matrix<B.Buffer>
  private let images: Int

  init(images: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>) {
    self.images = images
    _hidden = plan.reserve(rows: 2 * images, columns: tower.blockShape.mlpWidth)
    _middle = plan.reserve(rows: 2 * images, columns: tower.blockShape.width)
    _output = plan.reserve(rows: 2 * images, columns: tower.blockShape.width)
  }

  var classToken: Matrix<B.Buffer> { output.rows(0..<images) }
  var meanToken: Matrix<B.Buffer> { output.rows(images..<2 * images) }

  /// The MLP is linear behind its activation, so the mean token's output is the product of the mean activation.
  func run(
    _ weights: TransformerBlock<B>, _ block: BlockActivations<B>, tokens: Int, meanToken: Bool, on backend: B
  ) throws(BackendError) {
    for (source, rows) in [(block.hidden, hidden), (block.middle, middle)] {
      try backend.copy(Copy(source.everyRow(tokens), to: rows.rows(0..<images)))
      if meanToken {
        try backend.meanRows(
          MeanRows(input: source, rowsPerGroup: tokens, output: rows.rows(images..<2 * images)))
      }
    }
    let rows = 0..<(meanToken ? 2 * images : images)
    try weights.forwardFromHidden(
      hidden: hidden.rows(rows), middle: middle.rows(rows), output: output.rows(rows), on: backend)
  }
}
