package import Compute
import Failures
import Glibc

/// A vision transformer of CLIP, SigLIP or CoCa on a backend (methods §0, §9.1).
package final class VisionTower<B: Backend>: Sendable {
  package let configuration: VisionConfiguration
  package let embeddingWidth: Int
  package let backend: B
  package let blocks: [TransformerBlock<B>]
  package let blockShape: BlockShape
  /// The layer norm of the read-out.
  package let outputNorm: Norm<B>
  /// What makes the embedding by attention on the tokens; nil where a row of them is read.
  package let pooler: AttentionPooler<B>?
  private let outputProjection: Linear<B>?
  /// What the model multiplies similarities by; 100, where training ends, for a tower without one.
  package let logitScale: Float
  private let patchEmbedding: Linear<B>
  private let inputNorm: Norm<B>?
  private let classEmbedding: [Float]
  private let patchBias: [Float]?
  /// As stored: the class token's row, then the checkpoint's own grid.
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
      epsilon: vision.epsilon)
    blockShape = shape
    classEmbedding = vision.hasClassToken ? try loader.values(VisionTensors.classEmbedding) : []
    patchBias = vision.hasPatchBias ? try loader.values(VisionTensors.convolution.bias) : nil
    positionalTable = try loader.values(VisionTensors.positions)
    patchEmbedding = try loader.linear(
      weight: VisionTensors.convolution.weight, bias: nil, outputs: vision.width,
      inputs: 3 * vision.patchSize * vision.patchSize)
    inputNorm = vision.hasInputNorm ? try loader.norm(VisionTensors.inputNorm, epsilon: vision.epsilon) : nil
    var blocks: [TransformerBlock<B>] = []
    let weights = WeightSequence(groupCount: vision.layers)
    for layer in 0..<vision.layers {
      blocks.append(
        try TransformerBlock(
          VisionTensors.block(layer), shape: shape, group: weights.group(layer), loader: loader))
    }
    self.blocks = blocks
    outputNorm = try loader.norm(VisionTensors.outputNorm, epsilon: vision.epsilon)
    pooler = try AttentionPooler(source.configuration, loader: loader)
    if vision.pooling == .map {
      outputProjection = nil
    } else {
      outputProjection = try loader.linear(
        weight: VisionTensors.projection, bias: nil, outputs: embeddingWidth,
        inputs: vision.hasAttentionPooler ? embeddingWidth : vision.width)
    }
    let hasLogitScale = source.configuration.text != nil
    logitScale = hasLogitScale ? Float(exp(Double(try loader.values("logit_scale")[0]))) : 100
  }

  /// The projection of the read-out. SigLIP's pooler projects by itself: its tower has none.
  package var projection: Linear<B> {
    guard let outputProjection else { preconditionFailure("this tower's read-out has no projection") }
    return outputProjection
  }

  /// What is added to the patch products of an image: its positions and the patches' bias, after the class embedding
  /// in row 0 where there is one. Always resampled from the checkpoint's own grid, so that no size depends on one
  /// explained before.
  private func positions(for grid: Grid) -> [Float] {
    let width = configuration.width
    var table = zip(classEmbedding, positionalTable).map { $0 + $1 }
    var patches = PositionalTable.resample(
      Array(positionalTable[table.count...]), gridHeight: configuration.gridHeight,
      gridWidth: configuration.gridWidth, width: width,
      newHeight: grid.height, newWidth: grid.width)
    if let patchBias {
      for index in patches.indices { patches[index] += patchBias[index % width] }
    }
    table += patches
    return table
  }

  /// Fills in what no forward changes: the grid's positions.
  package func prepare(_ activations: VisionActivations<B>) throws(BackendError) {
    try backend.upload(positions(for: activations.shape.grid).span, to: activations.positions)
  }

  /// From `activations.pixels` to the tokens that enter the first block.
  package func embed(_ activations: VisionActivations<B>) throws(BackendError) {
    let shape = activations.shape
    try backend.patchify(
      Patchify(
        pixels: activations.pixels, height: shape.grid.height * configuration.patchSize,
        width: shape.grid.width * configuration.patchSize, patch: configuration.patchSize,
        leadingRows: shape.leadingTokens,
        patches: activations.patches))
    try backend.matmul(
      Matmul(
        input: activations.patches, weight: patchEmbedding.weight, output: activations.block.stream,
        epilogue: .init(residual: activations.positions)))
    guard let inputNorm else { return }
    try backend.layerNorm(
      LayerNorm(
        input: activations.block.stream, scale: inputNorm.scale, shift: inputNorm.shift, epsilon: inputNorm.epsilon,
        output: activations.block.stream))
  }
}
