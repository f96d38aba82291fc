package import VisionTransformer

/// The sizes that an explanation's arithmetic depends on, and floating-point operations of its parts, a multiply–add
/// counted as two.
///
/// Products and attention count; norms, activations, gates and the turns of rotary positions do not: they are a
/// thousandth of it. Products of one row per prompt count only where nothing else is done, behind an attention pooler.
package struct Arithmetic: Sendable, Equatable {
  package let vision: VisionConfiguration
  package let embeddingWidth: Int
  /// All of an image's patches.
  package let patches: Int

  /// - Parameters:
  ///   - inputWidth: of the image as the model sees it, in pixels.
  ///   - inputHeight: the same.
  package init(_ configuration: ModelConfiguration, width inputWidth: Int, height inputHeight: Int) {
    vision = configuration.vision
    embeddingWidth = configuration.embeddingWidth
    patches = inputWidth / vision.patchSize * (inputHeight / vision.patchSize)
  }

  package var layers: Int { vision.layers }
  package var width: Int { vision.width }
  /// The class token, registers and the patches.
  package var tokens: Int { vision.leadingTokens + patches }

  private var n: Double { Double(tokens) }
  private var d: Double { Double(width) }
  /// PartProduct–adds of an MLP for one token: a gated one's first product makes gate and value.
  private var mlp: Double { d * Double(vision.mlpInputWidth + vision.mlpWidth) }

  /// Patch products, all blocks, the pooler and the projection of one image.
  package var forward: Double {
    let block = 2 * n * (4 * d * d + mlp) + 4 * n * n * d
    let patchProducts = 2 * Double(patches) * d * 3 * Double(vision.patchSize * vision.patchSize)
    return Double(layers) * block + patchProducts + (vision.hasAttentionPooler ? poolerForward : projection)
  }

  /// The local backward of one block for one prompt, to the attention map whose gradient is the relevance: through the
  /// MLP, the attention's output projection, and the products with the values.
  package var localBackward: Double {
    vision.hasAttentionPooler ? poolerBackward : localBackward(asksEachToken: asksEachToken)
  }

  /// - Parameter asksEachToken: whether tokens are asked for something else each, as by a head that normalises them first;
  ///   otherwise the MLP's second product is one row.
  private func localBackward(asksEachToken: Bool) -> Double {
    let secondProduct = asksEachToken ? n * d * Double(vision.mlpWidth) : 0
    return 2 * (secondProduct + n * d * Double(vision.mlpInputWidth) + n * d * d + n * n * d)
  }

  private var asksEachToken: Bool {
    switch vision.pooling {
    case .classAndPatches: true
    case .average: vision.blockScore == .ownPooling && !vision.normsAfterPooling
    case .classToken, .unpooled, .map, .queries, .classAndDistillation: false
    }
  }

  /// LeGrad of `layers` blocks for `prompts` prompts beside the forward.
  package func legrad(prompts: Int, layers: Int, readsClassToken: Bool = false) -> Double {
    let backwards = Double(prompts * layers)
    switch vision.pooling {
    // Each block's output is pooled as if it were the last.
    case .map: return backwards * poolerBackward + Double(layers) * poolerForward
    // A prompt's directions are the same for all blocks and images.
    case .queries: return Double(prompts) * (projection + poolerRow) + backwards * poolerMap
    // The head reads normalised tokens, and the class token is one of two.
    case .classAndDistillation where readsClassToken: return backwards * localBackward(asksEachToken: true)
    case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation:
      return backwards * (readsClassToken ? rowBackward : localBackward)
    }
  }

  /// The backward of one row of one block for one prompt; with an attention pooler, of the model's own score to the
  /// pooler's attention.
  package var rowBackward: Double {
    vision.hasAttentionPooler ? poolerBackward : 2 * (mlp + d * d) + 2 * n * d
  }

  /// The backward of one block for one prompt, through the softmax to its input.
  package var fullBackward: Double { 2 * n * (4 * d * d + mlp) + 8 * n * n * d }

  /// The backward from the model's own score to the last block's output where that is not a row of it: the pooler's, and
  /// its two products with all tokens.
  package var headBackward: Double { vision.hasAttentionPooler ? poolerBackward + 2 * poolerMap : 0 }

  private var projection: Double {
    guard vision.hasProjection else { return 0 }
    switch vision.pooling {
    case .queries: return 2 * Double(embeddingWidth * embeddingWidth)
    case .classAndPatches, .classAndDistillation: return 4 * d * Double(embeddingWidth)
    case .classToken, .average, .unpooled, .map: return 2 * d * Double(embeddingWidth)
    }
  }

  // MARK: The pooler

  private var poolerHeads: Int {
    if case .queries(_, let heads) = vision.pooling { heads } else { vision.poolerHeads }
  }

  /// One product of every head with every token: the scores, the sums, or the gradient at the map.
  private var poolerMap: Double { 2 * n * d * Double(poolerHeads) }

  /// The products of one pooled row: values, output, and an MLP if there is one. Backwards they are the same.
  private var poolerRow: Double {
    if case .queries = vision.pooling { return 2 * Double(embeddingWidth) * (d + Double(embeddingWidth)) }
    return 2 * (2 * d * d + 2 * d * Double(vision.poolerMLPWidth))
  }

  private var poolerForward: Double { 2 * poolerMap + poolerRow + projection }
  private var poolerBackward: Double { projection + poolerRow + poolerMap }
}

extension Arithmetic {
  package init(_ model: Model, width: Int, height: Int) {
    self.init(model.configuration, width: width, height: height)
  }
}
