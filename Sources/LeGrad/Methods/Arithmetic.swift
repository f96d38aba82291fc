import VisionTransformer

/// The sizes that an explanation's arithmetic depends on, and floating-point operations of its parts, a multiply–add
/// counted as two.
package struct Arithmetic: Sendable, Equatable {
  package let layers: Int
  package let width: Int
  package let mlpWidth: Int
  package let patchSize: Int
  package let embeddingWidth: Int
  /// The class token and the patches.
  package let tokens: Int
  /// Heads of an attention pooler; 0 without one.
  package let poolerHeads: Int

  package init(
    layers: Int, width: Int, mlpWidth: Int, patchSize: Int, embeddingWidth: Int, tokens: Int, poolerHeads: Int = 0
  ) {
    self.layers = layers
    self.width = width
    self.mlpWidth = mlpWidth
    self.patchSize = patchSize
    self.embeddingWidth = embeddingWidth
    self.tokens = tokens
    self.poolerHeads = poolerHeads
  }

  /// - Parameters:
  ///   - inputWidth: of the image as the model sees it, in pixels.
  ///   - inputHeight: the same.
  package init(_ model: Model, width inputWidth: Int, height inputHeight: Int) {
    let vision = model.configuration.vision
    let heads =
      switch vision.pooling {
      case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation: 0
      case .map: vision.poolerHeads
      case .queries(_, let heads): heads
      }
    self.init(
      layers: vision.layers, width: vision.width, mlpWidth: vision.mlpWidth, patchSize: vision.patchSize,
      embeddingWidth: model.configuration.embeddingWidth,
      tokens: vision.leadingTokens + inputWidth / vision.patchSize * (inputHeight / vision.patchSize),
      poolerHeads: heads)
  }

  /// Patch products, all blocks and the projection of one image.
  package var forward: Double {
    let n = Double(tokens)
    let d = Double(width)
    let m = Double(mlpWidth)
    let block = 2 * n * (4 * d * d + 2 * d * m) + 4 * n * n * d
    let patches = 2 * (n - 1) * d * 3 * Double(patchSize * patchSize)
    return Double(layers) * block + patches + 2 * d * Double(embeddingWidth)
  }

  /// The local backward of one block for one prompt: through the MLP, the attention's output projection, and the
  /// products with the values; with a pooler the products of its heads with the tokens, once forward and once backward.
  package var localBackward: Double {
    if poolerHeads > 0 { return 6 * Double(tokens) * Double(width) * Double(poolerHeads) }
    let n = Double(tokens)
    let d = Double(width)
    let m = Double(mlpWidth)
    return 2 * n * m * d + 2 * n * d * d + 2 * n * n * d
  }

  /// The backward of one row of one block for one prompt.
  package var rowBackward: Double {
    let d = Double(width)
    return 2 * (2 * d * Double(mlpWidth) + d * d) + 2 * Double(tokens) * d
  }

  /// The backward of one block for one prompt, through the softmax to its input.
  package var fullBackward: Double {
    let n = Double(tokens)
    let d = Double(width)
    return 2 * n * (4 * d * d + 2 * d * Double(mlpWidth)) + 8 * n * n * d
  }
}
