/// Canonical names of a layer's two tensors.
struct TensorPair {
  let weight: String
  let bias: String

  init(_ layer: String, separator: String = ".") {
    weight = layer + separator + "weight"
    bias = layer + separator + "bias"
  }
}

/// Canonical names of a block's tensors.
struct BlockTensors {
  let attentionNorm, attentionInput, queryNorm, keyNorm, attendedNorm, attentionOutput: TensorPair
  let mlpNorm, mlpInput, hiddenNorm, mlpOutput: TensorPair
  /// Of `FoldedWeights` alone.
  let folded: String

  /// - Parameter tower: `transformer` of a text tower, `visual.transformer` of a vision tower.
  init(_ tower: String, layer: Int) {
    let block = "\(tower).resblocks.\(layer)."
    attentionNorm = TensorPair(block + "ln_1")
    attentionInput = TensorPair(block + "attn.in_proj", separator: "_")
    queryNorm = TensorPair(block + "attn.ln_q")
    keyNorm = TensorPair(block + "attn.ln_k")
    attendedNorm = TensorPair(block + "attn.ln_out")
    attentionOutput = TensorPair(block + "attn.out_proj")
    mlpNorm = TensorPair(block + "ln_2")
    mlpInput = TensorPair(block + "mlp.c_fc")
    hiddenNorm = TensorPair(block + "mlp.ln_out")
    mlpOutput = TensorPair(block + "mlp.c_proj")
    folded = block + "folded"
  }
}

/// Canonical names of what a vision tower has before and after its blocks.
enum VisionTensors {
  static let convolution = TensorPair("visual.conv1")
  static let classEmbedding = "visual.class_embedding"
  static let registers = "visual.registers"
  static let positions = "visual.positional_embedding"
  static let inputNorm = TensorPair("visual.ln_pre")
  static let outputNorm = TensorPair("visual.ln_post")
  static let projection = "visual.proj"
  static let projectionBias = "visual.proj.bias"
  static let classes = TensorPair("head")

  static func block(_ layer: Int) -> BlockTensors { BlockTensors("visual.transformer", layer: layer) }
}
