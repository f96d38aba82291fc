import Compute
import Failures
import VisionTransformer

/// LeGrad where a block's score reads parts of its normalised tokens (methods §1.8): a token's gradient is its own then,
/// and the backward through the MLP has a row per token.
struct PartsLeGradMethod<B: Backend>: LayerMethod {
  let maps: LayerMaps<B>
  private let head: PartsHead<B>
  private let gradients: FullGradients<B>
  @Planned private var embeddingGradient: Matrix<B.Buffer>
  /// `[images · prompts, parts · width]`.
  @Planned private var featureGradient: Matrix<B.Buffer>
  /// The parts' gradients at one of the tokens that they read, one part over the other, and a row of zeros.
  @Planned private var partGradients: Matrix<B.Buffer>
  /// A token's share of the mean, `[blocks · images, width]`.
  @Planned private var meanShare: Matrix<B.Buffer>

  init(_ head: PartsHead<B>, _ run: inout RunPlan<B>) {
    let (sizes, shape) = (run.sizes, run.sizes.shape)
    let (groups, width) = (sizes.joinedGroups, sizes.tower.blockShape.width)
    self.head = head
    gradients = FullGradients(rows: groups * shape.tokens, shape: sizes.tower.blockShape, in: &run.memory)
    _embeddingGradient = run.memory.reserve(rows: groups, columns: sizes.tower.embeddingWidth)
    _featureGradient = run.memory.reserve(rows: groups, columns: head.parts.count * width)
    _partGradients = run.memory.reserve(rows: head.parts.count * groups + 1, columns: width)
    _meanShare = run.memory.reserve(rows: sizes.joinedImages, columns: width)
    maps = LayerMaps(&run)
  }

  var reach: BackwardReach { .attention }

  func prepare() throws(ModelError) {
    let averaged = head.parts.contains(.all) ? sizes.shape.tokens : sizes.shape.grid.count
    do {
      try sizes.tower.backend.fill(Fill(meanShare, with: 1 / Float(averaged)))
    } catch { throw .backend(error) }
  }

  func read(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    try head.read(forward.activations(of: blocks).stream, tower: forward.tower)
  }

  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError) {
    let (tower, shape, activations) = (forward.tower, forward.shape, forward.activations(of: blocks))
    let images = blocks.count * shape.images
    let groups = images * pass.count
    let stack = RowStack(copies: pass.count, rows: shape.tokens)
    let gradients = self.gradients.part(rows: groups * shape.tokens)
    let reading = head.reading(images: images)
    try readParts(forward.directions.rows(pass), of: reading, tower: tower)
    try tower.backend.gatherRows(
      GatherRows(source: partGradients, rowNumbers: rowNumbers(groups: groups), output: gradients.stream))
    try tower.backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.stream, input: activations.stream, statistics: reading.statistics,
        scale: tower.outputNorm.scale, stack: stack, output: gradients.stream))
    try tower.group(blocks).backwardToAttention(activations, stack: stack, gradients: gradients, on: tower.backend)
    try fill(maps, of: blocks, outputGradient: gradients.attentionOutput, stack, forward)
  }

  /// From a pass's scores to `partGradients`.
  private func readParts(
    _ directions: Matrix<B.Buffer>, of reading: PartsHead<B>.Reading, tower: VisionTower<B>
  ) throws(BackendError) {
    let (backend, width) = (tower.backend, tower.blockShape.width)
    let groups = reading.embedding.rows * directions.rows
    let features = featureGradient.rows(0..<groups)
    let embedding = embeddingGradient.rows(0..<groups)
    try tower.scoreGradient(
      directions: directions, embedding: reading.embedding, norms: reading.norms, to: embedding)
    try tower.projectionBackward(embedding, to: features)
    for (number, part) in head.parts.enumerated() {
      let columns = features.columns(number * width..<(number + 1) * width)
      let rows = partGradients.rows(number * groups..<(number + 1) * groups)
      switch part {
      case .token: try backend.copy(Copy(columns, to: rows))
      case .patches, .all:
        try backend.activationBackward(
          ActivationBackward(
            upstream: columns, derivative: meanShare.rows(0..<reading.embedding.rows),
            stack: RowStack(copies: directions.rows, rows: 1),
            gradient: rows))
      }
    }
    try backend.fill(Fill(partGradients.rows(head.parts.count * groups..<head.parts.count * groups + 1), with: 0))
  }

  /// The row of `partGradients` that each token of each image and prompt receives: the last where no part reads it.
  private func rowNumbers(groups: Int) -> [Int] {
    let shape = sizes.shape
    return (0..<groups).flatMap { group in
      (0..<shape.tokens).map { token in
        let part =
          head.parts.firstIndex(of: token < shape.leadingTokens ? .token(token) : .patches)
          ?? head.parts.firstIndex(of: .all)
        return (part ?? head.parts.count) * groups + (part == nil ? 0 : group)
      }
    }
  }
}
