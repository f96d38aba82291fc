/// How a checkpoint stores one canonical tensor.
struct StoredTensor: Equatable {
  struct Part: Equatable {
    let name: String
    let shape: [Int]
  }

  /// Tensors of the file; several are stacked, one over the other.
  let parts: [Part]
  /// Stored `[in, out]`.
  let isTransposed: Bool

  init(_ tensor: CanonicalTensor, in configuration: ModelConfiguration) {
    switch configuration.layout {
    case .openCLIP where configuration.vision.pooling == .map && tensor.name.hasPrefix("visual."):
      self.init(timm: tensor)
    case .openCLIP: self.init(openCLIP: tensor, configuration)
    case .huggingFace: self.init(huggingFace: tensor, isSigLIP: configuration.vision.pooling == .map)
    }
  }

  private init(_ name: String, _ shape: [Int], isTransposed: Bool = false) {
    parts = [Part(name: name, shape: shape)]
    self.isTransposed = isTransposed
  }

  private init(stacked parts: [Part]) {
    self.parts = parts
    isTransposed = false
  }

  private init(openCLIP tensor: CanonicalTensor, _ configuration: ModelConfiguration) {
    let isText = !tensor.name.hasPrefix("visual.") && !tensor.name.hasPrefix("logit_")
    let prefix = isText && configuration.nestsText ? "text." : ""
    // A projection with a bias is a layer of its own, one without is a bare matrix that rows are multiplied by.
    if tensor.name == "text_projection", configuration.text?.hasProjectionBias == true {
      self.init(prefix + "text_projection.weight", tensor.shape)
    } else if tensor.name == "visual.proj" || tensor.name == "text_projection" {
      self.init(prefix + tensor.name, tensor.shape.reversed(), isTransposed: true)
    } else {
      self.init(prefix + tensor.name, tensor.shape)
    }
  }

  /// SigLIP's vision tower as timm has it.
  private init(timm tensor: CanonicalTensor) {
    let name = tensor.name.dropFirst("visual.".count)
    let trunk = "visual.trunk."
    switch name {
    case "positional_embedding": self.init(trunk + "pos_embed", [1] + tensor.shape)
    case "attn_pool.query": self.init(trunk + "attn_pool.latent", [1] + tensor.shape)
    case "attn_pool.in_proj_weight", "attn_pool.in_proj_bias":
      let kind = name.dropFirst("attn_pool.in_proj_".count)
      let (third, rest) = (tensor.shape[0] / 3, Array(tensor.shape.dropFirst()))
      self.init(stacked: [
        Part(name: "\(trunk)attn_pool.q.\(kind)", shape: [third] + rest),
        Part(name: "\(trunk)attn_pool.kv.\(kind)", shape: [2 * third] + rest),
      ])
    default:
      var path = String(name)
      for (canonical, timm) in Self.timmNames { path.replace(canonical, with: timm, maxReplacements: 1) }
      self.init(trunk + path, tensor.shape)
    }
  }

  private static let timmNames = [
    ("conv1", "patch_embed.proj"), ("ln_post", "norm"), ("transformer.resblocks.", "blocks."), ("ln_1", "norm1"),
    ("ln_2", "norm2"), ("ln_mlp", "norm"), ("attn.in_proj_", "attn.qkv."), ("attn.out_proj", "attn.proj"),
    ("attn_pool.out_proj", "attn_pool.proj"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
  ]

  private init(huggingFace tensor: CanonicalTensor, isSigLIP: Bool) {
    if isSigLIP, tensor.name.hasPrefix("text_projection") {
      self.init("text_model.head." + (tensor.name.hasSuffix("bias") ? "bias" : "weight"), tensor.shape)
      return
    }
    if let name = Self.huggingFaceNames[tensor.name] {
      self.init(name, tensor.shape)
      return
    }
    if tensor.name.hasPrefix(Self.pooler) {
      let member = tensor.name.dropFirst(Self.pooler.count)
      let renamed = Self.huggingFacePoolerMembers.first { member.hasPrefix($0.0) }
      self.init(
        "vision_model.head." + (renamed.map { $0.1 + member.dropFirst($0.0.count) } ?? String(member)),
        member == "query" ? [1] + tensor.shape : tensor.shape)
      return
    }
    // What is left are the members of a block: "[visual.]transformer.resblocks.<layer>.<member>".
    let isVision = tensor.name.hasPrefix("visual.")
    let names = tensor.name.split(separator: ".").dropFirst(isVision ? 3 : 2)
    let member = names.dropFirst().joined(separator: ".")
    let block = "\(isVision ? "vision" : "text")_model.encoder.layers.\(names.first ?? "")."
    if member.hasPrefix("attn.in_proj_") {
      let kind = member.dropFirst("attn.in_proj_".count)
      let shape = [tensor.shape[0] / 3] + tensor.shape.dropFirst()
      self.init(stacked: ["q", "k", "v"].map { Part(name: "\(block)self_attn.\($0)_proj.\(kind)", shape: shape) })
    } else {
      let renamed = Self.huggingFaceMembers.first { member.hasPrefix($0.0) }
      self.init(block + (renamed.map { $0.1 + member.dropFirst($0.0.count) } ?? member), tensor.shape)
    }
  }

  private static let pooler = "visual.attn_pool."

  private static let huggingFacePoolerMembers = [
    ("query", "probe"), ("in_proj_", "attention.in_proj_"), ("out_proj", "attention.out_proj"),
    ("ln_mlp", "layernorm"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
  ]

  private static let huggingFaceMembers = [
    ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"), ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
  ]

  private static let huggingFaceNames = [
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.conv1.bias": "vision_model.embeddings.patch_embedding.bias",
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
    "logit_bias": "logit_bias",
  ]
}
