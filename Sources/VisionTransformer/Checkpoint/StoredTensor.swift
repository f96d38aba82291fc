/// How a checkpoint stores one canonical tensor.
struct StoredTensor: Equatable {
  /// Names in the file; several are stacked, one over the other.
  let names: [String]
  /// Shape of each of them.
  let shape: [Int]
  /// Stored `[in, out]`.
  var isTransposed = false

  init(_ tensor: CanonicalTensor, layout: ModelConfiguration.Layout) {
    switch layout {
    case .openCLIP: self.init(openCLIP: tensor)
    case .huggingFace: self.init(huggingFace: tensor)
    }
  }

  private init(openCLIP tensor: CanonicalTensor) {
    names = [tensor.name]
    isTransposed = tensor.name == "visual.proj" || tensor.name == "text_projection"
    shape = isTransposed ? tensor.shape.reversed() : tensor.shape
  }

  private init(huggingFace tensor: CanonicalTensor) {
    if let name = Self.huggingFaceNames[tensor.name] {
      names = [name]
      shape = tensor.shape
      return
    }
    // What is left are the members of a block: "[visual.]transformer.resblocks.<layer>.<member>".
    let isVision = tensor.name.hasPrefix("visual.")
    let parts = tensor.name.split(separator: ".").dropFirst(isVision ? 3 : 2)
    let member = parts.dropFirst().joined(separator: ".")
    let block = "\(isVision ? "vision" : "text")_model.encoder.layers.\(parts.first ?? "")."
    if member.hasPrefix("attn.in_proj_") {
      let kind = member.dropFirst("attn.in_proj_".count)
      names = ["q", "k", "v"].map { "\(block)self_attn.\($0)_proj.\(kind)" }
      shape = [tensor.shape[0] / 3] + tensor.shape.dropFirst()
    } else {
      let renamed = Self.huggingFaceMembers.first { member.hasPrefix($0.0) }
      names = [block + (renamed.map { $0.1 + member.dropFirst($0.0.count) } ?? member)]
      shape = tensor.shape
    }
  }

  private static let huggingFaceMembers = [
    ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"), ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
  ]

  private static let huggingFaceNames = [
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "logit_scale": "logit_scale",
  ]
}
