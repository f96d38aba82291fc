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
  /// Every tensor of the model: the vision tower's, then the text tower's and `logit_scale` if there is a text tower.
  public var canonicalTensors: [CanonicalTensor] {
    let width = vision.width
    var tensors = [
      CanonicalTensor(name: "visual.class_embedding", shape: [width]),
      CanonicalTensor(name: "visual.positional_embedding", shape: [vision.tokens, width]),
      CanonicalTensor(name: "visual.conv1.weight", shape: [width, 3, vision.patchSize, vision.patchSize]),
    ]
    tensors += Self.pair("visual.ln_pre", [width])
    tensors += Self.blocks("visual.transformer", layers: vision.layers, width: width, mlpWidth: vision.mlpWidth)
    tensors += Self.pair("visual.ln_post", [width])
    tensors.append(CanonicalTensor(name: "visual.proj", shape: [embeddingWidth, width]))
    guard let text else { return tensors }
    tensors += [
      CanonicalTensor(name: "token_embedding.weight", shape: [text.vocabularySize, text.width]),
      CanonicalTensor(name: "positional_embedding", shape: [text.contextLength, text.width]),
    ]
    tensors += Self.blocks("transformer", layers: text.layers, width: text.width, mlpWidth: text.mlpWidth)
    tensors += Self.pair("ln_final", [text.width])
    tensors += [
      CanonicalTensor(name: "text_projection", shape: [embeddingWidth, text.width]),
      CanonicalTensor(name: "logit_scale", shape: []),
    ]
    return tensors
  }

  private static func blocks(_ tower: String, layers: Int, width: Int, mlpWidth: Int) -> [CanonicalTensor] {
    var tensors: [CanonicalTensor] = []
    for layer in 0..<layers {
      let block = "\(tower).resblocks.\(layer)."
      tensors += pair(block + "ln_1", [width])
      tensors += pair(block + "attn.in_proj", [3 * width, width], separator: "_")
      tensors += pair(block + "attn.out_proj", [width, width])
      tensors += pair(block + "ln_2", [width])
      tensors += pair(block + "mlp.c_fc", [mlpWidth, width])
      tensors += pair(block + "mlp.c_proj", [width, mlpWidth])
    }
    return tensors
  }

  /// A weight of `shape` and a bias as long as its rows.
  private static func pair(_ name: String, _ shape: [Int], separator: String = ".") -> [CanonicalTensor] {
    [
      CanonicalTensor(name: name + separator + "weight", shape: shape),
      CanonicalTensor(name: name + separator + "bias", shape: [shape[0]]),
    ]
  }
}
