import Compute
import Failures
import SafeTensors
import StrictJSON

/// Vision transformers of transformers without a text tower. Defaults are those of transformers 5.24's configuration
/// classes.
extension ModelConfiguration {
  /// `ViTModel`, `DeiTModel` and their classifiers (`modeling_vit.py`, `modeling_deit.py`).
  static func huggingFaceViT(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    let isDeiT = try top.string("model_type") == "deit"
    var vision = try visionTransformer(top, patchSize: 16, epsilon: 1e-12)
    vision.mlpWidth = try top.integer("intermediate_size", default: 3_072, in: ConfigurationRange.mlpWidth)
    vision.activation = try huggingFaceActivation(top, default: .gelu)
    let hasBias = try top.bool("qkv_bias", default: true)
    (vision.biases.queries, vision.biases.keys, vision.biases.values) = (hasBias, hasBias, hasBias)
    vision.positions?.resampling = .bicubic(antialias: false)
    if isDeiT {
      vision.registers = 1
      vision.positions?.leadingRows = 2
    }
    let prefix = prefix(of: store, among: [isDeiT ? "deit." : "vit."], holding: "embeddings.cls_token")
    var names = TowerNames.huggingFaceViT(
      prefix: prefix, modules: store.contains(prefix + "layers.0.attention.q_proj.weight"))
    var read = ReadConfiguration(encoder(vision), names: names)
    if store.contains("distillation_classifier.weight") {
      names.classes = ["cls_classifier", "distillation_classifier"]
      read.names = names
      read.configuration.vision.pooling = .classAndDistillation
      read.configuration.embeddingWidth = 2 * vision.width
    }
    try addClasses(to: &read, top, store: store)
    // The pooler of an encoder that was trained with masks is no part of what a head reads.
    read.ignored = ["pooler.dense.weight", "pooler.dense.bias", "embeddings.mask_token"].map { prefix + $0 }
    return read
  }

  /// `Dinov2Model`, `Dinov2WithRegistersModel` and their classifiers (`modeling_dinov2.py`,
  /// `modeling_dinov2_with_registers.py`).
  static func dinov2(_ top: ConfigurationObject, store: any TensorStore) throws(CheckpointError) -> ReadConfiguration {
    let hasRegisters = try top.string("model_type") == "dinov2_with_registers"
    var vision = try visionTransformer(top, patchSize: hasRegisters ? 16 : 14, epsilon: 1e-6)
    let ratio = try top.double("mlp_ratio", default: 4, in: 1e-4...1e3)
    let isGated = try top.bool("use_swiglu_ffn", default: false)
    let mlpWidth = Int(Double(vision.width) * ratio)
    vision.mlp = isGated ? .gated : .plain
    vision.mlpWidth = isGated ? (Int(Double(mlpWidth) * 2 / 3) + 7) / 8 * 8 : mlpWidth
    vision.activation = isGated ? .silu : try huggingFaceActivation(top, default: .gelu)
    let hasBias = try top.bool("qkv_bias", default: true)
    (vision.biases.queries, vision.biases.keys, vision.biases.values) = (hasBias, hasBias, hasBias)
    vision.positions?.resampling = .bicubic(antialias: hasRegisters)
    vision.registers = hasRegisters ? try top.integer("num_register_tokens", default: 4, in: 0...1_024) : 0
    let prefix = prefix(
      of: store, among: ["dinov2.", "dinov2_with_registers."], holding: "embeddings.cls_token")
    var read = ReadConfiguration(
      encoder(vision),
      names: .dinov2(
        prefix: prefix, modules: store.contains(prefix + "encoder.layer.0.attention.q_proj.weight"), isGated: isGated))
    if store.contains("classifier.weight") {
      read.configuration.vision.pooling = .classAndPatches
      read.configuration.vision.blockScore = .ownPooling
      read.configuration.embeddingWidth = 2 * vision.width
    }
    try addClasses(to: &read, top, store: store)
    read.ignored = ignored(prefix, store: store)
    return read
  }

  /// `DINOv3ViTModel` (`modeling_dinov3_vit.py`), which has no head.
  static func dinov3(_ top: ConfigurationObject, store: any TensorStore) throws(CheckpointError) -> ReadConfiguration {
    var vision = try visionTransformer(top, patchSize: 16, epsilon: 1e-5, width: 384, heads: 6)
    let isGated = try top.bool("use_gated_mlp", default: false)
    vision.mlp = isGated ? .gated : .plain
    vision.mlpWidth = try top.integer("intermediate_size", default: 1_536, in: ConfigurationRange.mlpWidth)
    vision.activation = try huggingFaceActivation(top, default: .gelu)
    vision.biases.queries = try top.bool("query_bias", default: true)
    vision.biases.keys = try top.bool("key_bias", default: false)
    vision.biases.values = try top.bool("value_bias", default: true)
    vision.biases.output = try top.bool("proj_bias", default: true)
    vision.biases.mlp = try top.bool("mlp_bias", default: true)
    vision.registers = try top.integer("num_register_tokens", default: 0, in: 0...1_024)
    vision.positions = nil
    vision.rotary = RotaryPositions(
      .centres, theta: try top.double("rope_theta", default: 100, in: 1...1e9), pairing: .halves)
    let prefix = prefix(of: store, among: ["dinov3_vit.", "model."], holding: "embeddings.cls_token")
    var read = ReadConfiguration(encoder(vision), names: .dinov3(prefix: prefix, isGated: isGated))
    read.ignored = ignored(prefix, store: store)
    return read
  }

  /// What the configurations have together; MLP, biases and positions are the caller's.
  private static func visionTransformer(
    _ top: ConfigurationObject, patchSize: Int, epsilon: Double, width: Int = 768, heads: Int = 12
  ) throws(CheckpointError) -> VisionConfiguration {
    try top.require("num_channels", .integer(3))
    let image = try top.size("image_size", default: 224, in: ConfigurationRange.imageSize)
    let patch = try top.size("patch_size", default: patchSize, in: ConfigurationRange.patchSize)
    guard patch.height == patch.width else {
      throw top.unsupported("patch_size", expected: "square patches", found: "[\(patch.height), \(patch.width)]")
    }
    let width = try top.integer("hidden_size", default: width, in: ConfigurationRange.width)
    return VisionConfiguration(
      layers: try top.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers), width: width,
      heads: try top.integer("num_attention_heads", default: heads, in: ConfigurationRange.width), mlpWidth: 4 * width,
      patchSize: patch.height, imageHeight: image.height, imageWidth: image.width,
      epsilon: Float(try top.double("layer_norm_eps", default: epsilon, in: ConfigurationRange.epsilon)),
      hasInputNorm: false, hasPatchBias: true)
  }

  /// A tower whose embedding is the normalised class token.
  private static func encoder(_ vision: VisionConfiguration) -> ModelConfiguration {
    var vision = vision
    vision.hasProjection = false
    return ModelConfiguration(
      embeddingWidth: vision.width, vision: vision, text: nil, preprocessing: Preprocessing(mean: nil, std: nil))
  }

  /// The classes, if the weights have a classifier: as `id2label` names them, else `LABEL_0`, `LABEL_1`, ….
  private static func addClasses(
    to read: inout ReadConfiguration, _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) {
    guard let classifier = read.names?.classes.first else { return }
    guard let count = try top.rows(of: classifier + ".weight", in: store) else {
      var isClassifier = store.contains(classifier + ".bias")
      if case .array(let names)? = top.value("architectures"), case .string(let name)? = names.first {
        isClassifier = isClassifier || name.contains("ForImageClassification")
      }
      guard isClassifier else { return }
      throw CheckpointError(
        .missingTensor, file: top.file, place: "tensor \"\(classifier).weight\"",
        expected: "the weights of a classifier",
        found: "none", remedy: "the weights lack a part; fetch the folder again")
    }
    let unnamed = unnamedLabels(count)
    read.configuration.classes = try top.labels("id2label", unnamed: unnamed) ?? unnamed
  }

  /// A token for training, and the empty tensor that stands for no registers.
  private static func ignored(_ prefix: String, store: any TensorStore) -> [String] {
    let registers = prefix + "embeddings.register_tokens"
    let isEmpty = store.shape(of: registers)?.contains(0) ?? false
    return [prefix + "embeddings.mask_token"] + (isEmpty ? [registers] : [])
  }

  /// What transformers calls the classes that nobody named.
  static func unnamedLabels(_ count: Int) -> [String] { (0..<count).map { "LABEL_\($0)" } }

  /// The prefix of the names that a model with a head on top has; empty for the model alone.
  private static func prefix(of store: any TensorStore, among prefixes: [String], holding name: String) -> String {
    prefixes.first { store.contains($0 + name) } ?? ""
  }
}
