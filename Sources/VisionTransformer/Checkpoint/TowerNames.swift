/// How the files of a family name the tensors of its vision tower, where blocks are told apart by a number.
///
/// Canonical names are OpenCLIP's (see `CanonicalTensor`).
struct TowerNames: Equatable, Sendable {
  /// The two tensors of one layer, or several layers that are stacked, one over the other.
  enum Layer: Equatable, Sendable {
    case one(String)
    case stacked([String])
    /// One matrix, and the biases of its first and last third under names of their own.
    case fused(String, queryBias: String, valueBias: String)
  }

  /// Before every name.
  var prefix: String
  var classToken = "cls_token"
  /// Tokens behind the class token, `[1, count, width]` each.
  var registers = ["reg_token"]
  var positions = "pos_embed"
  var patches = "patch_embed.proj"
  var inputNorm = "norm_pre"
  var outputNorm = "norm"
  var projection = "head"
  /// Whether the projection is no member of the tower: OpenCLIP's own behind one of timm.
  var isProjectionOutside = false
  /// The classifier's layers, without the prefix: two share their logits.
  var classes = ["head"]
  /// The pooler's layers by their canonical names.
  var pooler: [String: Layer] = [:]

  /// Before the number of a block.
  var blocks = "blocks."
  var attentionNorm = "norm1"
  var queriesKeysValues = Layer.one("attn.qkv")
  var queryNorm = "attn.q_norm"
  var keyNorm = "attn.k_norm"
  var attendedNorm = "attn.norm"
  var attentionOutput = "attn.proj"
  var mlpNorm = "norm2"
  var mlpInput = Layer.one("mlp.fc1")
  var hiddenNorm = "mlp.norm"
  var mlpOutput = "mlp.fc2"
  /// LayerScale's factors of either branch.
  var scales = ["ls1.gamma", "ls2.gamma"]

  init(prefix: String) { self.prefix = prefix }

  /// Where the canonical `tensor` of the vision tower lies.
  func stored(_ tensor: CanonicalTensor, _ vision: VisionConfiguration) -> StoredTensor {
    let shape = tensor.shape
    switch tensor.name {
    case VisionTensors.classEmbedding: return StoredTensor(prefix + classToken, [1, 1] + shape)
    case VisionTensors.registers:
      let each = shape[0] / registers.count
      return StoredTensor(stacked: registers.map { .init(name: prefix + $0, shape: [1, each, shape[1]]) })
    case VisionTensors.positions: return StoredTensor(prefix + positions, [1] + shape)
    case VisionTensors.projection: return StoredTensor(projectionName + ".weight", shape)
    case VisionTensors.projectionBias: return StoredTensor(projectionName + ".bias", shape)
    case VisionTensors.classes.weight: return classTensor("weight", shape)
    case VisionTensors.classes.bias: return classTensor("bias", shape)
    default: break
    }
    let (layer, kind) = Self.split(tensor.name)
    switch layer {
    case "visual.conv1": return StoredTensor("\(prefix)\(patches).\(kind)", shape)
    case "visual.ln_pre": return StoredTensor("\(prefix)\(inputNorm).\(kind)", shape)
    case "visual.ln_post": return StoredTensor("\(prefix)\(outputNorm).\(kind)", shape)
    default: break
    }
    if layer.hasPrefix("visual.attn_pool") {
      let member = String(layer.dropFirst("visual.attn_pool.".count))
      if member == "query" { return StoredTensor(poolerName("query"), [1] + shape) }
      return stored(pooler[member] ?? .one(member), kind: kind, shape: shape, prefix: prefix)
    }
    // What is left are the members of a block: "visual.transformer.resblocks.<number>.<member>".
    let names = layer.split(separator: ".", maxSplits: 4).map(String.init)
    let block = prefix + blocks + names[3] + "."
    switch names[4] {
    case "ln_1": return StoredTensor("\(block)\(attentionNorm).\(kind)", shape)
    case "attn.in_proj": return queriesKeysValues(block: block, kind: kind, shape: shape, vision.biases)
    case "attn.ln_q": return StoredTensor("\(block)\(queryNorm).\(kind)", shape)
    case "attn.ln_k": return StoredTensor("\(block)\(keyNorm).\(kind)", shape)
    case "attn.ln_out": return StoredTensor("\(block)\(attendedNorm).\(kind)", shape)
    case "attn.out_proj" where kind == "bias" && !vision.biases.output: return .zeros(shape)
    case "attn.out_proj": return StoredTensor("\(block)\(attentionOutput).\(kind)", shape)
    case "ln_2": return StoredTensor("\(block)\(mlpNorm).\(kind)", shape)
    case "mlp.c_fc" where kind == "bias" && !vision.biases.mlp: return .zeros(shape)
    case "mlp.c_fc": return stored(mlpInput, kind: kind, shape: shape, prefix: block)
    case "mlp.ln_out": return StoredTensor("\(block)\(hiddenNorm).\(kind)", shape)
    case "mlp.c_proj" where kind == "bias" && !vision.biases.mlp: return .zeros(shape)
    default: return StoredTensor("\(block)\(mlpOutput).\(kind)", shape)
    }
  }

  /// `"a.b.weight"` or `"a.b_weight"` as `("a.b", "weight")`; a name without either is a layer of its own.
  private static func split(_ name: String) -> (layer: String, kind: String) {
    for kind in ["weight", "bias"] where name.hasSuffix(kind) {
      return (String(name.dropLast(kind.count + 1)), kind)
    }
    return (name, "")
  }

  private var projectionName: String { (isProjectionOutside ? "visual." : prefix) + projection }

  private func poolerName(_ member: String) -> String {
    guard case .one(let name)? = pooler[member] else { return prefix + member }
    return prefix + name
  }

  /// Two classifiers' logits are averaged: their weights lie side by side, half of each.
  private func classTensor(_ kind: String, _ shape: [Int]) -> StoredTensor {
    guard classes.count > 1 else { return StoredTensor("\(classes[0]).\(kind)", shape) }
    let each = kind == "weight" ? [shape[0], shape[1] / classes.count] : shape
    return StoredTensor(
      averaged: classes.map { .init(name: "\($0).\(kind)", shape: each) }, sideBySide: kind == "weight")
  }

  private func stored(_ layer: Layer, kind: String, shape: [Int], prefix: String) -> StoredTensor {
    switch layer {
    case .one(let name), .fused(let name, _, _): return StoredTensor("\(prefix)\(name).\(kind)", shape)
    case .stacked(let names):
      // The pooler's second layer holds keys and values, a block's layers are of one height.
      let heights = names.count == 2 && shape[0] % 3 == 0 && names[1].hasSuffix("kv") ? [1, 2] : names.map { _ in 1 }
      let unit = shape[0] / heights.reduce(0, +)
      return StoredTensor(
        stacked: zip(names, heights).map {
          .init(name: "\(prefix)\($0).\(kind)", shape: [unit * $1] + shape.dropFirst())
        })
    }
  }

  private func queriesKeysValues(block: String, kind: String, shape: [Int], _ biases: BlockBiases) -> StoredTensor {
    let third = shape[0] / 3
    let has = [biases.queries, biases.keys, biases.values]
    guard kind == "bias" else { return stored(queriesKeysValues, kind: kind, shape: shape, prefix: block) }
    let names: [String?]
    switch queriesKeysValues {
    case .one(let name):
      return has.allSatisfy { $0 } ? StoredTensor("\(block)\(name).bias", shape) : .zeros(shape)
    case .stacked(let layers): names = layers.map { "\($0).bias" }
    case .fused(_, let queryBias, let valueBias): names = [queryBias, nil, valueBias]
    }
    return StoredTensor(
      stacked: zip(names, has).map { name, has in
        .init(name: has ? name.map { block + $0 } : nil, shape: [third])
      })
  }
}

// MARK: Families

extension TowerNames {
  /// timm's, with the classifier or the projection called `head` (timm 1.0.31, `vision_transformer.py`, `eva.py`).
  static func timm(prefix: String) -> TowerNames {
    var names = TowerNames(prefix: prefix)
    names.classes = [prefix + "head"]
    names.pooler = [
      "query": .one("attn_pool.latent"), "in_proj": .stacked(["attn_pool.q", "attn_pool.kv"]),
      "out_proj": .one("attn_pool.proj"), "ln_mlp": .one("attn_pool.norm"), "mlp.c_fc": .one("attn_pool.mlp.fc1"),
      "mlp.c_proj": .one("attn_pool.mlp.fc2"),
    ]
    return names
  }

  /// What the towers of transformers up to DINOv2 have in common beside their blocks.
  private static func huggingFace(prefix: String, registers: String) -> TowerNames {
    var names = TowerNames(prefix: prefix)
    names.classToken = "embeddings.cls_token"
    names.registers = ["embeddings.\(registers)"]
    names.positions = "embeddings.position_embeddings"
    names.patches = "embeddings.patch_embeddings.projection"
    names.outputNorm = "layernorm"
    names.classes = ["classifier"]
    return names
  }

  /// Those of transformers' `ViTModel` and `DeiTModel`: as it saves them, or as its modules are called since 5.0.
  static func huggingFaceViT(prefix: String, modules: Bool) -> TowerNames {
    var names = huggingFace(prefix: prefix, registers: "distillation_token")
    names.attentionNorm = "layernorm_before"
    names.mlpNorm = "layernorm_after"
    if modules {
      names.blocks = "layers."
      names.useModuleNames()
    } else {
      names.blocks = "encoder.layer."
      names.useSavedNames()
      names.mlpInput = .one("intermediate.dense")
      names.mlpOutput = "output.dense"
    }
    return names
  }

  /// Those of transformers' `Dinov2Model` and `Dinov2WithRegistersModel`, likewise.
  static func dinov2(prefix: String, modules: Bool, isGated: Bool) -> TowerNames {
    var names = huggingFace(prefix: prefix, registers: "register_tokens")
    names.blocks = "encoder.layer."
    names.scales = ["layer_scale1.lambda1", "layer_scale2.lambda1"]
    if modules {
      names.useModuleNames()
      if isGated { names.useGateNames() }
    } else {
      names.useSavedNames()
      if isGated {
        names.mlpInput = .one("mlp.weights_in")
        names.mlpOutput = "mlp.weights_out"
      }
    }
    return names
  }

  /// Those of transformers' `DINOv3ViTModel`.
  static func dinov3(prefix: String, isGated: Bool) -> TowerNames {
    var names = TowerNames(prefix: prefix)
    names.classToken = "embeddings.cls_token"
    names.registers = ["embeddings.register_tokens"]
    names.patches = "embeddings.patch_embeddings"
    names.blocks = "layer."
    names.scales = ["layer_scale1.lambda1", "layer_scale2.lambda1"]
    names.useModuleNames()
    names.mlpInput = .one("mlp.up_proj")
    names.mlpOutput = "mlp.down_proj"
    if isGated { names.useGateNames() }
    return names
  }

  private mutating func useModuleNames() {
    queriesKeysValues = .stacked(["attention.q_proj", "attention.k_proj", "attention.v_proj"])
    attentionOutput = "attention.o_proj"
  }

  private mutating func useSavedNames() {
    queriesKeysValues = .stacked(["query", "key", "value"].map { "attention.attention.\($0)" })
    attentionOutput = "attention.output.dense"
  }

  private mutating func useGateNames() {
    mlpInput = .stacked(["mlp.gate_proj", "mlp.up_proj"])
    mlpOutput = "mlp.down_proj"
  }
}
