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
    visionTensors + textTensors
      + (hasLogitScale ? [CanonicalTensor(name: "logit_scale", shape: [])] : [])
      + (hasLogitBias ? [CanonicalTensor(name: "logit_bias", shape: [])] : [])
  }

  private var textTensors: [CanonicalTensor] {
    guard let text else { return [] }
    var tensors = [
      CanonicalTensor(name: "token_embedding.weight", shape: [text.vocabularySize, text.width]),
      CanonicalTensor(name: "positional_embedding", shape: [text.positions, text.width]),
    ]
    if text.pooling == .classToken { tensors.append(CanonicalTensor(name: "cls_emb", shape: [text.width])) }
    for layer in 0..<text.layers {
      let block = BlockTensors("transformer", layer: layer)
      tensors += Self.pair(block.attentionNorm, [text.width])
      tensors += Self.pair(block.attentionInput, [3 * text.width, text.width])
      tensors += Self.pair(block.attentionOutput, [text.width, text.width])
      tensors += Self.pair(block.mlpNorm, [text.width])
      tensors += Self.pair(block.mlpInput, [text.mlpWidth, text.width])
      tensors += Self.pair(block.mlpOutput, [text.width, text.mlpWidth])
    }
    tensors += Self.pair("ln_final", [text.width])
    tensors.append(CanonicalTensor(name: "text_projection", shape: [embeddingWidth, text.width]))
    if text.hasProjectionBias { tensors.append(CanonicalTensor(name: "text_projection.bias", shape: [embeddingWidth])) }
    return tensors
  }

  private var visionTensors: [CanonicalTensor] {
    let width = vision.width
    var tensors: [CanonicalTensor] = []
    if vision.hasClassToken { tensors.append(CanonicalTensor(name: VisionTensors.classEmbedding, shape: [width])) }
    if vision.registers > 0 {
      tensors.append(CanonicalTensor(name: VisionTensors.registers, shape: [vision.registers, width]))
    }
    if let positions = vision.positions {
      tensors.append(CanonicalTensor(name: VisionTensors.positions, shape: [positions.rows, width]))
    }
    tensors.append(
      CanonicalTensor(name: VisionTensors.convolution.weight, shape: [width, 3, vision.patchSize, vision.patchSize]))
    if vision.hasPatchBias { tensors.append(CanonicalTensor(name: VisionTensors.convolution.bias, shape: [width])) }
    if vision.hasInputNorm { tensors += Self.pair(VisionTensors.inputNorm, [width]) }
    for layer in 0..<vision.layers { tensors += blockTensors(VisionTensors.block(layer)) }
    var pooled = width
    switch vision.pooling {
    case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation: break
    case .map: tensors += mapTensors
    case .queries(let count, _):
      tensors += queryTensors(count)
      pooled = embeddingWidth
    }
    if vision.hasOutputNorm { tensors += Self.pair(VisionTensors.outputNorm, [pooled]) }
    if vision.hasProjection {
      tensors.append(CanonicalTensor(name: VisionTensors.projection, shape: [embeddingWidth, pooled]))
      if vision.hasProjectionBias {
        tensors.append(CanonicalTensor(name: VisionTensors.projectionBias, shape: [embeddingWidth]))
      }
    }
    if let classes { tensors += Self.pair(VisionTensors.classes, [classes.count, embeddingWidth]) }
    return tensors
  }

  private func blockTensors(_ block: BlockTensors) -> [CanonicalTensor] {
    let (width, mlpWidth) = (vision.width, vision.mlpWidth)
    var tensors = Self.pair(block.attentionNorm, [width])
    tensors += Self.pair(block.attentionInput, [3 * width, width])
    if vision.hasQueryKeyNorm {
      tensors += Self.pair(block.queryNorm, [vision.headWidth]) + Self.pair(block.keyNorm, [vision.headWidth])
    }
    if vision.hasAttendedNorm { tensors += Self.pair(block.attendedNorm, [width]) }
    tensors += Self.pair(block.attentionOutput, [width, width])
    tensors += Self.pair(block.mlpNorm, [width])
    tensors += Self.pair(block.mlpInput, [vision.mlpInputWidth, width])
    if vision.hasHiddenNorm { tensors += Self.pair(block.hiddenNorm, [mlpWidth]) }
    return tensors + Self.pair(block.mlpOutput, [width, mlpWidth])
  }

  /// The pooler of SigLIP, PE and timm.
  private var mapTensors: [CanonicalTensor] {
    let width = vision.width
    return [CanonicalTensor(name: "visual.attn_pool.query", shape: [1, width])]
      + Self.pair("visual.attn_pool.in_proj", [3 * width, width], separator: "_")
      + Self.pair("visual.attn_pool.out_proj", [width, width])
      + Self.pair("visual.attn_pool.ln_mlp", [width])
      + Self.pair("visual.attn_pool.mlp.c_fc", [vision.poolerMLPWidth, width])
      + Self.pair("visual.attn_pool.mlp.c_proj", [width, vision.poolerMLPWidth])
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
