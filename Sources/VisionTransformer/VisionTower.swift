package import Compute

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A CLIP vision transformer on a backend (methods §0, §9.1).
package final class VisionTower<B: Backend>: Sendable {
  package let configuration: VisionConfiguration
  package let embeddingWidth: Int
  package let backend: B
  package let blocks: [TransformerBlock<B>]
  package let blockShape: BlockShape
  /// The layer norm and projection of the read-out.
  package let outputNorm: Norm<B>
  package let projection: Linear<B>
  /// What the model multiplies similarities by; 100, where training ends, for a tower without one.
  package let logitScale: Float
  private let patchEmbedding: Linear<B>
  private let inputNorm: Norm<B>
  private let classEmbedding: [Float]
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
    classEmbedding = try loader.values("visual.class_embedding")
    positionalTable = try loader.values("visual.positional_embedding")
    patchEmbedding = try loader.linear(
      weight: "visual.conv1.weight", bias: nil, outputs: vision.width, inputs: 3 * vision.patchSize * vision.patchSize)
    inputNorm = try loader.norm("visual.ln_pre", epsilon: vision.epsilon)
    var blocks: [TransformerBlock<B>] = []
    let weights = WeightSequence(groupCount: vision.layers)
    for layer in 0..<vision.layers {
      blocks.append(
        try TransformerBlock(
          prefix: "visual.transformer.resblocks.\(layer).", shape: shape, group: weights.group(layer), loader: loader))
    }
    self.blocks = blocks
    outputNorm = try loader.norm("visual.ln_post", epsilon: vision.epsilon)
    projection = try loader.linear(
      weight: "visual.proj", bias: nil, outputs: source.configuration.embeddingWidth, inputs: vision.width)
    let hasLogitScale = source.configuration.text != nil
    logitScale = hasLogitScale ? Float(exp(Double(try loader.values("logit_scale")[0]))) : 100
  }

  /// What is added to the patch products of an image: its positions, with the class embedding in row 0. Always
  /// resampled from the checkpoint's own grid, so that no size depends on one explained before.
  func positions(for grid: Grid) -> [Float] {
    let width = configuration.width
    var table = (0..<width).map { classEmbedding[$0] + positionalTable[$0] }
    table += PositionalTable.resample(
      Array(positionalTable[width...]), gridHeight: configuration.gridHeight,
      gridWidth: configuration.gridWidth, width: width,
      newHeight: grid.height, newWidth: grid.width)
    return table
  }

  /// From `activations.pixels` to the tokens that enter the first block.
  package func embed(_ activations: VisionActivations<B>) throws(BackendError) {
    let shape = activations.shape
    try backend.patchify(
      Patchify(
        pixels: activations.pixels, height: shape.grid.height * configuration.patchSize,
        width: shape.grid.width * configuration.patchSize, patch: configuration.patchSize, leadingRows: 1,
        patches: activations.patches))
    try backend.matmul(
      Matmul(
        input: activations.patches, weight: patchEmbedding.weight, output: activations.block.stream,
        epilogue: .init(residual: activations.positions)))
    try backend.layerNorm(
      LayerNorm(
        input: activations.block.stream, scale: inputNorm.scale, shift: inputNorm.shift, epsilon: inputNorm.epsilon,
        output: activations.block.stream))
  }
}
