/// A tensor under the name that the towers use, whatever the files call it.
///
/// The names are OpenCLIP's. Every matrix is `[out, in]`, applied as `y = x Wᵀ`, and that includes `visual.proj`
/// `[embedding, width]` and `text_projection` `[embedding, width]`, which OpenCLIP stores transposed. `in_proj_weight`
/// is queries, keys, values, one over the other.
public struct CanonicalTensor: Equatable, Sendable {
  public let name: String
  public let shape: [Int]

  public init(name: String, shape: [Int]) {
    self.name = name
    self.shape = shape
  }

  /// Product of the shape.
  public var elementCount: Int { shape.reduce(1, *) }
}

extension ModelConfiguration {
  /// Every tensor of the model: the vision tower's, then the text tower's and the logits' scale and bias if there is a
  /// text tower.
  public var canonicalTensors: [CanonicalTensor] {
    var tensors = visionTensors
    guard let text else { return tensors }
    tensors += [
      CanonicalTensor(name: "token_embedding.weight", shape: [text.vocabularySize, text.width]),
      CanonicalTensor(name: "positional_embedding", shape: [text.positions, text.width]),
    ]
    if text.pooling == .classToken { tensors.append(CanonicalTensor(name: "cls_emb", shape: [text.width])) }
    tensors += Self.blocks("transformer", layers: text.layers, width: text.width, mlpWidth: text.mlpWidth)
    tensors += Self.pair("ln_final", [text.width])
    tensors.append(CanonicalTensor(name: "text_projection", shape: [embeddingWidth, text.width]))
    if text.hasProjectionBias { tensors.append(CanonicalTensor(name: "text_projection.bias", shape: [embeddingWidth])) }
    tensors.append(CanonicalTensor(name: "logit_scale", shape: []))
    if hasLogitBias { tensors.append(CanonicalTensor(name: "logit_bias", shape: [])) }
    return tensors
  }

  private var visionTensors: [CanonicalTensor] {
    let width = vision.width
    var tensors: [CanonicalTensor] = []
    if vision.hasClassToken { tensors.append(CanonicalTensor(name: VisionTensors.classEmbedding, shape: [width])) }
    tensors += [
      CanonicalTensor(name: VisionTensors.positions, shape: [vision.tokens, width]),
      CanonicalTensor(name: VisionTensors.convolution.weight, shape: [width, 3, vision.patchSize, vision.patchSize]),
    ]
    if vision.hasPatchBias { tensors.append(CanonicalTensor(name: VisionTensors.convolution.bias, shape: [width])) }
    if vision.hasInputNorm { tensors += Self.pair(VisionTensors.inputNorm, [width]) }
    tensors += Self.blocks("visual.transformer", layers: vision.layers, width: width, mlpWidth: vision.mlpWidth)
    switch vision.pooling {
    case .classToken, .average, .unpooled:
      tensors += Self.pair(VisionTensors.outputNorm, [width])
      tensors.append(CanonicalTensor(name: VisionTensors.projection, shape: [embeddingWidth, width]))
    case .map:
      tensors += Self.pair(VisionTensors.outputNorm, [width])
      tensors += mapTensors
    case .queries(let count, _):
      tensors += queryTensors(count)
      tensors += Self.pair(VisionTensors.outputNorm, [embeddingWidth])
      tensors.append(CanonicalTensor(name: VisionTensors.projection, shape: [embeddingWidth, embeddingWidth]))
    }
    return tensors
  }

  /// SigLIP's pooler.
  private var mapTensors: [CanonicalTensor] {
    let width = vision.width
    return [CanonicalTensor(name: "visual.attn_pool.query", shape: [1, width])]
      + Self.pair("visual.attn_pool.in_proj", [3 * width, width], separator: "_")
      + Self.pair("visual.attn_pool.out_proj", [width, width])
      + Self.pair("visual.attn_pool.ln_mlp", [width])
      + Self.pair("visual.attn_pool.mlp.c_fc", [vision.mlpWidth, width])
      + Self.pair("visual.attn_pool.mlp.c_proj", [width, vision.mlpWidth])
  }

  /// CoCa's pooler; PyTorch fuses the three projections where all have one shape.
  private func queryTensors(_ count: Int) -> [CanonicalTensor] {
    let (width, embedding) = (vision.width, embeddingWidth)
    let attention = "visual.attn_pool.attn."
    var tensors = [CanonicalTensor(name: "visual.attn_pool.query", shape: [count, embedding])]
    tensors += Self.pair("visual.attn_pool.ln_q", [embedding])
    tensors += Self.pair("visual.attn_pool.ln_k", [width])
    if width == embedding {
      tensors.append(CanonicalTensor(name: attention + "in_proj_weight", shape: [3 * embedding, embedding]))
    } else {
      tensors += [
        CanonicalTensor(name: attention + "q_proj_weight", shape: [embedding, embedding]),
        CanonicalTensor(name: attention + "k_proj_weight", shape: [embedding, width]),
        CanonicalTensor(name: attention + "v_proj_weight", shape: [embedding, width]),
      ]
    }
    tensors.append(CanonicalTensor(name: attention + "in_proj_bias", shape: [3 * embedding]))
    return tensors + Self.pair(attention + "out_proj", [embedding, embedding])
  }

  private static func blocks(_ tower: String, layers: Int, width: Int, mlpWidth: Int) -> [CanonicalTensor] {
    var tensors: [CanonicalTensor] = []
    for layer in 0..<layers {
      let block = BlockTensors(tower, layer: layer)
      tensors += pair(block.attentionNorm, [width])
      tensors += pair(block.attentionInput, [3 * width, width])
      tensors += pair(block.attentionOutput, [width, width])
      tensors += pair(block.mlpNorm, [width])
      tensors += pair(block.mlpInput, [mlpWidth, width])
      tensors += pair(block.mlpOutput, [width, mlpWidth])
    }
    return tensors
  }

  /// A weight of `shape` and a bias as long as its rows.
  private static func pair(_ names: TensorPair, _ shape: [Int]) -> [CanonicalTensor] {
    [
      CanonicalTensor(name: names.weight, shape: shape), CanonicalTensor(name: names.bias, shape: [shape[0]]),
    ]
  }

  private static func pair(_ layer: String, _ shape: [Int], separator: String = ".") -> [CanonicalTensor] {
    pair(TensorPair(layer, separator: separator), shape)
  }
}
