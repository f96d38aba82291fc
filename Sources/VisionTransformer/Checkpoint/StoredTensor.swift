/// How a checkpoint stores one canonical tensor.
struct StoredTensor: Equatable {
  struct Part: Equatable {
    /// Nil for zeros, which stand in no file.
    let name: String?
    let shape: [Int]
  }

  /// How several parts become one tensor.
  enum Joint: Equatable {
    /// One over the other.
    case stacked
    /// Side by side, each divided by their number.
    case sharesSideBySide
    /// Their mean.
    case mean
  }

  /// Tensors of the file.
  var parts: [Part]
  var joint = Joint.stacked
  /// Stored `[in, out]`.
  var isTransposed = false
  /// Patches as rows of `(y, x, channel)` instead of `(channel, y, x)`.
  var isChannelLast = false

  init(_ name: String, _ shape: [Int], isTransposed: Bool = false) {
    parts = [Part(name: name, shape: shape)]
    self.isTransposed = isTransposed
  }

  init(stacked parts: [Part]) { self.parts = parts }

  /// - Parameter sideBySide: whether their columns stay apart.
  init(averaged parts: [Part], sideBySide: Bool) {
    self.parts = parts
    joint = sideBySide ? .sharesSideBySide : .mean
  }

  static func zeros(_ shape: [Int]) -> StoredTensor { StoredTensor(stacked: [Part(name: nil, shape: shape)]) }

  /// - Parameter names: of the vision tower, where the layout does not give them.
  init(_ tensor: CanonicalTensor, in configuration: ModelConfiguration, names: TowerNames?) {
    if let names, tensor.name.hasPrefix("visual.") || tensor.name.hasPrefix("head.") {
      self = names.stored(tensor, configuration.vision)
      return
    }
    switch configuration.layout {
    case .openCLIP, .timm: self.init(openCLIP: tensor, configuration)
    case .huggingFace:
      self.init(huggingFace: tensor, configuration)
    }
  }

  /// Whether the tensor is its parts, one over the other, as they lie in the file.
  var isPlain: Bool {
    joint == .stacked && !isTransposed && !isChannelLast
  }

  /// The parts' numbers as those of the tensor.
  func joined<Scalar: BinaryFloatingPoint>(_ values: [[Scalar]]) -> [Scalar] {
    switch joint {
    case .stacked:
      guard isChannelLast else { return values.count == 1 ? values[0] : Array(values.joined()) }
      let columns = parts[0].shape[1]
      return stride(from: 0, to: values[0].count, by: columns).flatMap { first in
        transposed(Array(values[0][first..<first + columns]), rows: columns / 3, columns: 3)
      }
    case .mean:
      return values[0].indices.map { index in values.reduce(0) { $0 + $1[index] } / Scalar(values.count) }
    case .sharesSideBySide:
      let (rows, columns) = (parts[0].shape[0], parts[0].shape[1])
      return (0..<rows).flatMap { row in
        values.flatMap { part in part[row * columns..<(row + 1) * columns].map { $0 / Scalar(values.count) } }
      }
    }
  }

  /// What `joined` makes `values` of; of a part without a name, the zeros that it stands for.
  /// - Parameter values: of the tensor as the parts' matrices lie, rows of `[out, in]` unless it is transposed.
  func split(_ values: [Float]) -> [[Float]] {
    switch joint {
    case .mean: return parts.map { _ in values }
    case .stacked:
      var start = 0
      return parts.map { part in
        let count = part.shape.reduce(1, *)
        defer { start += count }
        return Array(values[start..<start + count])
      }
    case .sharesSideBySide:
      let (rows, columns) = (parts[0].shape[0], parts[0].shape[1])
      return parts.indices.map { part in
        (0..<rows).flatMap { row in
          let first = (row * parts.count + part) * columns
          return values[first..<first + columns].map { $0 * Float(parts.count) }
        }
      }
    }
  }

  mutating func dropPrefix(_ prefix: String) {
    let shortened = parts.map { part in
      Part(name: part.name.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }, shape: part.shape)
    }
    parts = shortened
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

  private init(huggingFace tensor: CanonicalTensor, _ configuration: ModelConfiguration) {
    if configuration.vision.pooling == .map, tensor.name.hasPrefix("text_projection") {
      self.init("text_model.head." + (tensor.name.hasSuffix("bias") ? "bias" : "weight"), tensor.shape)
      return
    }
    if let name = Self.huggingFaceNames[tensor.name] {
      // SigLIP 2 with any grid has a linear layer for its patches.
      let isLinear = configuration.vision.readsPatchRows && tensor.name == VisionTensors.convolution.weight
      self.init(name, isLinear ? [tensor.shape[0], tensor.shape[1...].reduce(1, *)] : tensor.shape)
      isChannelLast = isLinear
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
