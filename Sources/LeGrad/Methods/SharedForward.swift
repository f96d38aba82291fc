import Compute
import VisionTransformer

/// The sizes of a run, known before its memory is taken.
struct RunSizes<B: Backend>: Sendable {
  let tower: VisionTower<B>
  let shape: VisionShape
  let prompts: Int
  /// Prompts whose backwards run together: more would only cost memory.
  let promptsPerPass: Int

  private static var stackedRows: Int { 8192 }

  /// - Parameter rowsPerPrompt: the rows of a backward's largest matrix; all tokens if nil.
  init(tower: VisionTower<B>, shape: VisionShape, prompts: Int, rowsPerPrompt: Int? = nil) {
    self.tower = tower
    self.shape = shape
    self.prompts = prompts
    promptsPerPass = max(1, min(prompts, Self.stackedRows / (rowsPerPrompt ?? shape.rows)))
  }

  var heads: Int { tower.blockShape.heads }
  var lastBlock: Int { tower.blocks.count - 1 }
  /// `1 / √(head width)`, the factor of attention's scores.
  var scoreFactor: Float { 1 / Float(tower.blockShape.width / heads).squareRoot() }
  /// Images and the prompts of a pass.
  var groupsPerPass: Int { shape.images * promptsPerPass }

  /// Ranges of prompts that are stacked together.
  var passes: [Range<Int>] {
    stride(from: 0, to: prompts, by: promptsPerPass).map { $0..<min($0 + promptsPerPass, prompts) }
  }

  /// The rows of a pass in a matrix of all prompts' maps, `[layers · prompts · images, tokens]`: by layer, then pass,
  /// then image, then prompt.
  func rows(layer: Int = 0, pass: Range<Int>) -> Range<Int> {
    let first = (layer * prompts + pass.lowerBound) * shape.images
    return first..<first + pass.count * shape.images
  }

  /// Downloads such a matrix: per image `[layers, prompts, gridHeight, gridWidth]`, of the patches alone.
  func collect(_ relevance: Matrix<B.Buffer>, layers: Int = 1) throws(BackendError) -> [[Float]] {
    let rows = try values(of: relevance)
    return (0..<shape.images).map { image in
      var values: [Float] = []
      values.reserveCapacity(layers * prompts * shape.grid.count)
      for layer in 0..<layers {
        for pass in passes {
          for prompt in 0..<pass.count {
            let row = self.rows(layer: layer, pass: pass).lowerBound + image * pass.count + prompt
            values += rows[row * shape.tokens + shape.leadingTokens..<(row + 1) * shape.tokens]
          }
        }
      }
      return values
    }
  }

  /// Downloads maps that all prompts share, `[images, tokens]`, and repeats each per prompt.
  func collectShared(_ relevance: Matrix<B.Buffer>) throws(BackendError) -> [[Float]] {
    let rows = try values(of: relevance)
    return (0..<shape.images).map { image in
      let row = rows[image * shape.tokens + shape.leadingTokens..<(image + 1) * shape.tokens]
      return (0..<prompts).flatMap { _ in row }
    }
  }

  func values(of matrix: Matrix<B.Buffer>) throws(BackendError) -> [Float] {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    var span = values.mutableSpan
    try tower.backend.download(matrix, into: &span)
    return values
  }
}

/// One forward that several methods read.
struct SharedForward<B: Backend>: Sendable {
  let sizes: RunSizes<B>
  let activations: VisionActivations<B>
  let head: EmbeddingHead<B>
  /// Unit text rows, `[prompts, embedding]`.
  let directions: Matrix<B.Buffer>
  /// The input of every block from `firstCheckpoint` on, one over the other; absent where no method goes back.
  let checkpoints: Matrix<B.Buffer>?
  let firstCheckpoint: Int

  var tower: VisionTower<B> { sizes.tower }
  var backend: B { sizes.tower.backend }
  var shape: VisionShape { sizes.shape }

  /// What reads the row of a tower without an attention pooler.
  var readOut: ReadOut<B> {
    guard case .row(let readOut, _) = head else { preconditionFailure("a pooler's tower reads no row") }
    return readOut
  }

  /// The last block's rows that are read, of a tower without an attention pooler.
  var tail: Tail<B> {
    guard case .row(_, let tail) = head else { preconditionFailure("a pooler's tower reads no row") }
    return tail
  }

  func checkpoint(of block: Int) -> Matrix<B.Buffer>? {
    guard let checkpoints, block >= firstCheckpoint else { return nil }
    let first = (block - firstCheckpoint) * shape.rows
    return checkpoints.rows(first..<first + shape.rows)
  }

  /// The class token's row of the maps of the attention that ran last, `[images · heads, tokens]`, into `map`.
  func classAttention(into map: Matrix<B.Buffer>) throws(BackendError) {
    let block = activations.block
    try backend.keyScores(
      KeyScores(
        rows: block.queries.everyRow(shape.tokens), tokens: block.keys, heads: sizes.heads, factor: sizes.scoreFactor,
        stack: PromptStack(prompts: 1, tokens: shape.tokens), scores: map))
    try backend.softmax(Softmax(input: map, output: map))
  }
}

/// What makes the image's embedding of the last block's output, with its memory.
enum EmbeddingHead<B: Backend>: Sendable {
  /// One row, the class token's or a mean.
  case row(ReadOut<B>, Tail<B>)
  /// An attention to all tokens.
  case pooler(AttentionPooler<B>, PoolerActivations<B>)

  enum Slots {
    case row(ReadOut<B>.Slots, Tail<B>.Slots)
    case pooler(AttentionPooler<B>, PoolerActivations<B>.Slots)
  }

  static func reserve(_ tower: VisionTower<B>, _ shape: VisionShape, in plan: inout WorkspacePlan) -> Slots {
    if let pooler = tower.pooler {
      return .pooler(pooler, PoolerActivations<B>.reserve(shape, pooler: pooler, in: &plan))
    }
    return .row(
      ReadOut<B>.reserve(images: shape.images, tower: tower, in: &plan),
      Tail<B>.reserve(images: shape.images, tower: tower, in: &plan))
  }

  init(_ slots: Slots, shape: VisionShape, in workspace: Workspace<B>, on backend: B) throws(BackendError) {
    switch slots {
    case .row(let readOut, let tail):
      self = .row(ReadOut(readOut, in: workspace), Tail(tail, images: shape.images, in: workspace))
    case .pooler(let pooler, let activations):
      self = .pooler(pooler, try PoolerActivations(activations, shape: shape, in: workspace, on: backend))
    }
  }

  /// Unit rows `[images, embedding]`.
  var embedding: Matrix<B.Buffer> {
    switch self {
    case .row(let readOut, _): readOut.embedding
    case .pooler(_, let activations): activations.embedding
    }
  }
}

/// The last block's second MLP product, for the two rows of each image that are read from it.
struct Tail<B: Backend>: Sendable {
  let hidden: Matrix<B.Buffer>
  let middle: Matrix<B.Buffer>
  let output: Matrix<B.Buffer>
  let images: Int

  struct Slots { let hidden, middle, output: WorkspacePlan.Slot }

  static func reserve(images: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan) -> Slots {
    Slots(
      hidden: plan.reserve(rows: 2 * images, columns: tower.blockShape.mlpWidth),
      middle: plan.reserve(rows: 2 * images, columns: tower.blockShape.width),
      output: plan.reserve(rows: 2 * images, columns: tower.blockShape.width))
  }

  init(_ slots: Slots, images: Int, in workspace: Workspace<B>) {
    hidden = workspace[slots.hidden]
    middle = workspace[slots.middle]
    output = workspace[slots.output]
    self.images = images
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
