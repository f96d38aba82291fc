import LeGrad
import VisionTransformer

/// Floating-point operations of an explanation, a multiply–add counted as two, by the formulas of the method and not by
/// what an implementation saves.
struct Arithmetic: Sendable, Equatable {
  let layers: Int
  let width: Int
  let mlpWidth: Int
  let patchSize: Int
  let embeddingWidth: Int
  /// The class token and the patches.
  let tokens: Int
  /// Heads of an attention pooler; 0 without one.
  var poolerHeads = 0

  /// Patch products, all blocks and the projection of one image.
  var forward: Double {
    let n = Double(tokens)
    let d = Double(width)
    let m = Double(mlpWidth)
    let block = 2 * n * (4 * d * d + 2 * d * m) + 4 * n * n * d
    let patches = 2 * (n - 1) * d * 3 * Double(patchSize * patchSize)
    return Double(layers) * block + patches + 2 * d * Double(embeddingWidth)
  }

  /// The local backward of one block for one prompt: through the MLP, the attention's output projection, and the
  /// products with the values; with a pooler the products of its heads with the tokens, once forward and once backward.
  var localBackward: Double {
    if poolerHeads > 0 { return 6 * Double(tokens) * Double(width) * Double(poolerHeads) }
    let n = Double(tokens)
    let d = Double(width)
    let m = Double(mlpWidth)
    return 2 * n * m * d + 2 * n * d * d + 2 * n * n * d
  }

  /// The backward of one row of one block for one prompt.
  var rowBackward: Double {
    let d = Double(width)
    return 2 * (2 * d * Double(mlpWidth) + d * d) + 2 * Double(tokens) * d
  }

  /// The backward of one block for one prompt, through the softmax to its input.
  var fullBackward: Double {
    let n = Double(tokens)
    let d = Double(width)
    return 2 * n * (4 * d * d + 2 * d * Double(mlpWidth)) + 8 * n * n * d
  }

  /// One image explained by LeGrad for `prompts` prompts over `usedLayers` blocks.
  func explanation(prompts: Int, usedLayers: Int) -> Double {
    forward + Double(prompts * usedLayers) * localBackward
  }

  /// One image explained for `prompts` prompts by a method that reads `usedLayers` blocks.
  func explanation(_ method: Method, prompts: Int, usedLayers: Int) -> Double {
    let all = Double(prompts * usedLayers)
    switch method {
    case .legrad(_, .mean): return explanation(prompts: prompts, usedLayers: usedLayers)
    case .legrad(_, .cls), .gradCAM, .cheferCAM, .partialLRP: return forward + all * rowBackward
    case .rawAttention: return forward
    // A row through the mean of the heads' maps.
    case .rollout: return forward + Double(usedLayers) * 2 * Double(tokens * tokens)
    case .cheferCAMAll: return forward + all * fullBackward
    case .textSpan: return forward + all * 2 * Double(width * width + tokens * width)
    // Positive and negative parts of every product, forward once and backward for each prompt.
    case .lrp: return forward * Double(3 + 2 * prompts)
    }
  }
}

extension Arithmetic {
  init(_ model: Model, width inputWidth: Int, height inputHeight: Int) {
    let vision = model.configuration.vision
    self.init(
      layers: vision.layers, width: vision.width, mlpWidth: vision.mlpWidth, patchSize: vision.patchSize,
      embeddingWidth: model.configuration.embeddingWidth,
      tokens: vision.leadingTokens + inputWidth / vision.patchSize * (inputHeight / vision.patchSize))
    switch vision.pooling {
    case .classToken, .average, .unpooled: break
    case .map: poolerHeads = vision.heads
    case .queries(_, let heads): poolerHeads = heads
    }
  }
}

/// Middle of a list of times; the mean of the two in the middle of an even count.
func median(_ values: [Double]) -> Double {
  precondition(!values.isEmpty, "a median needs values")
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
