package import Compute
import Failures
import Glibc

/// A plain vision transformer on a backend (methods §0, §9.1): an encoder's tower, or a classifier up to its features.
package final class VisionTower<B: Backend>: Sendable {
  package let configuration: VisionConfiguration
  package let embeddingWidth: Int
  package let backend: B
  package let blocks: [TransformerBlock<B>]
  package let blockShape: BlockShape
  private let blockScales: BlockScales<B>
  /// The layer norm of the read-out; nil for a tower without one.
  package let readOutNorm: Norm<B>?
  /// What makes the embedding by attention on the tokens; nil where a row of them is read.
  package let pooler: AttentionPooler<B>?
  /// What the read-out ends in; nil where norm or pooler give the embedding themselves.
  package let projection: Linear<B>?
  /// Whether embeddings have unit length: an encoder's, not a classifier's features.
  package let scalesToUnit: Bool
  /// What the model multiplies its scores by: similarities by 100, where training ends, for a tower of CLIP's kind that
  /// does not say.
  package let logitScale: Float
  package let patchEmbedding: Linear<B>
  private let inputNorm: Norm<B>?
  /// Class token and registers, `[leading tokens, width]`.
  private let leadingTokens: [Float]
  private let patchBias: [Float]?
  /// As stored: the rows of leading tokens, then the checkpoint's own grid.
  private let positionalTable: [Float]

  /// Reads the tower's weights and gives them to the backend, one block after the other.
  package init(_ source: any WeightSource, on backend: B) throws(ModelError) {
    let vision = source.configuration.vision
    let loader = LayerLoader(source: source, backend: backend)
    configuration = vision
    embeddingWidth = source.configuration.embeddingWidth
    self.backend = backend
    let shape = BlockShape(
      width: vision.width, heads: vision.heads, mlpWidth: vision.mlpWidth, activation: vision.activation,
      epsilon: vision.epsilon, isGated: vision.mlp == .gated, hasHiddenNorm: vision.hasHiddenNorm,
      hasAttendedNorm: vision.hasAttendedNorm, hasQueryKeyNorm: vision.hasQueryKeyNorm,
      isFolded: source is FoldedWeights)
    blockShape = shape
    leadingTokens =
      (vision.hasClassToken ? try loader.values(VisionTensors.classEmbedding) : [])
      + (vision.registers > 0 ? try loader.values(VisionTensors.registers) : [])
    patchBias = vision.hasPatchBias ? try loader.values(VisionTensors.convolution.bias) : nil
    positionalTable = vision.positions == nil ? [] : try loader.values(VisionTensors.positions)
    patchEmbedding = try loader.linear(
      weight: VisionTensors.convolution.weight, bias: nil, outputs: vision.width,
      inputs: 3 * vision.patchSize * vision.patchSize)
    inputNorm = vision.hasInputNorm ? try loader.norm(VisionTensors.inputNorm, epsilon: vision.epsilon) : nil
    var blocks: [TransformerBlock<B>] = []
    let weights = WeightSequence(groupCount: vision.layers)
    let scales = try BlockScales(blocks: vision.layers, shape, on: backend)
    blockScales = scales
    for layer in 0..<vision.layers {
      blocks.append(
        try TransformerBlock(
          VisionTensors.block(layer), shape: shape, group: weights.group(layer), loader: loader, scales: scales))
    }
    self.blocks = blocks
    readOutNorm = vision.hasOutputNorm ? try loader.norm(VisionTensors.outputNorm, epsilon: vision.epsilon) : nil
    pooler = try AttentionPooler(source.configuration, loader: loader)
    scalesToUnit = source.configuration.classes == nil
    projection =
      vision.hasProjection
      ? try loader.linear(
        weight: VisionTensors.projection, bias: vision.hasProjectionBias ? VisionTensors.projectionBias : nil,
        outputs: embeddingWidth, inputs: pooler?.width ?? vision.width) : nil
    if source.configuration.hasLogitScale {
      logitScale = Float(exp(Double(try loader.values("logit_scale")[0])))
    } else {
      logitScale = scalesToUnit && projection != nil ? 100 : 1
    }
  }

  /// The layer norm of the read-out.
  /// - Precondition: the tower has one, as all have whose tokens are normalised before they are pooled.
  package var outputNorm: Norm<B> {
    guard let readOutNorm else { preconditionFailure("a tower with a norm before its head") }
    return readOutNorm
  }

  /// What is added to the patch products of an image: the leading tokens, then the patches' bias, each with its
  /// positions. Always resampled from the checkpoint's own grid, so that no size depends on one explained before.
  private func positions(for grid: Grid) -> [Float] {
    let width = configuration.width
    var table = leadingTokens
    var patches = [Float](repeating: 0, count: grid.count * width)
    if let positions = configuration.positions {
      let leading = positions.leadingRows * width
      for index in 0..<leading { table[index] += positionalTable[index] }
      patches = PositionalTable.resample(
        Array(positionalTable[leading...]), from: Grid(height: positions.height, width: positions.width), width: width,
        to: grid, positions.resampling)
    }
    if let patchBias {
      for index in patches.indices { patches[index] += patchBias[index % width] }
    }
    return table + patches
  }

  /// Some of the blocks, for a backward through all of them at once.
  package func group(_ range: Range<Int>) -> BlockGroup<B> {
    BlockGroup(blocks[range], scales: blockScales.rows(range))
  }

  /// Fills in what no forward changes: the grid's positions.
  package func prepare(_ activations: VisionActivations<B>) throws(BackendError) {
    try activations.blocks.rotation?.prepare(activations.shape.grid, on: backend)
    try backend.upload(positions(for: activations.shape.grid).span, to: activations.positions)
  }

  /// From `activations.pixels` to the tokens that enter the first block.
  /// - Parameter stream: receives them.
  package func embed(_ activations: VisionActivations<B>, to stream: Matrix<B.Buffer>) throws(BackendError) {
    let shape = activations.shape
    try backend.patchify(
      Patchify(
        pixels: activations.pixels, height: shape.grid.height * configuration.patchSize,
        width: shape.grid.width * configuration.patchSize, patch: configuration.patchSize,
        leadingRows: shape.leadingTokens,
        patches: activations.patches))
    try backend.matmul(
      Matmul(
        input: activations.patches, weight: patchEmbedding.weight, output: stream,
        epilogue: .init(residual: activations.positions)))
    guard let inputNorm else { return }
    try backend.layerNorm(
      LayerNorm(
        input: stream, scale: inputNorm.scale, shift: inputNorm.shift, epsilon: inputNorm.epsilon, output: stream))
  }

  /// From the gradient of an embedding, before it is scaled to unit length, to that of what the projection reads.
  package func projectionBackward(_ gradient: Matrix<B.Buffer>, to output: Matrix<B.Buffer>) throws(BackendError) {
    guard let projection else { return try backend.copy(Copy(gradient, to: output)) }
    try backend.matmul(Matmul(input: gradient, weight: projection.weight, side: .inputs, output: output))
  }

  /// From what the read-out's norm or pooler gave to the embedding, `norms` receiving its length where it is scaled to
  /// unit length.
  package func project(
    _ input: Matrix<B.Buffer>, to embedding: Matrix<B.Buffer>, norms: Matrix<B.Buffer>
  ) throws(BackendError) {
    var raw = input
    if let projection {
      raw = embedding
      try backend.matmul(
        Matmul(input: input, weight: projection.weight, output: raw, epilogue: .init(bias: projection.bias)))
    }
    if scalesToUnit {
      try backend.normalizeRows(NormalizeRows(input: raw, output: embedding, norms: norms))
    } else {
      if projection == nil { try backend.copy(Copy(input, to: embedding)) }
      try backend.fill(Fill(norms, with: 1))
    }
  }

  /// The gradients of every score `directions_p · embedding_b` at the embedding before it is scaled to unit length,
  /// `[images · prompts, embedding]`.
  package func scoreGradient(
    directions: Matrix<B.Buffer>, embedding: Matrix<B.Buffer>, norms: Matrix<B.Buffer>, to gradient: Matrix<B.Buffer>
  ) throws(BackendError) {
    if scalesToUnit {
      return try backend.normalizeRowsBackward(
        NormalizeRowsBackward(directions: directions, normalized: embedding, norms: norms, gradient: gradient))
    }
    for image in 0..<embedding.rows {
      let rows = image * directions.rows..<(image + 1) * directions.rows
      try backend.copy(Copy(directions, to: gradient.rows(rows)))
    }
  }
}
