import Compute
import StrictJSON

extension FolderDraft {
  /// Whose configuration and tensors transformers has for a vision transformer without a text tower.
  private enum Family: String {
    case vit
    case deit
    case dinov2
    case dinov2WithRegisters = "dinov2_with_registers"
    case dinov3 = "dinov3_vit"
  }

  static func huggingFace(_ configuration: ModelConfiguration) -> [FolderDraft] {
    families(of: configuration.vision).map { draft(configuration, $0) }
  }

  /// The likeliest first: an encoder of one may be one of another as well.
  private static func families(of vision: VisionConfiguration) -> [Family] {
    if vision.rotary != nil { return [.dinov3] }
    if vision.positions?.leadingRows == 2 { return [.deit] }
    if vision.registers > 0 { return [.dinov2WithRegisters] }
    return vision.patchSize == 14 || vision.mlp == .gated ? [.dinov2, .vit] : [.vit, .dinov2]
  }

  private static func draft(_ configuration: ModelConfiguration, _ family: Family) -> FolderDraft {
    let hasClasses = configuration.classes != nil
    let isGated = configuration.vision.mlp == .gated
    // A model with a head on top has its tower's name before the tower's tensors.
    let prefix = hasClasses ? (family == .dinov3 ? "model." : family.rawValue + ".") : ""
    var names: TowerNames
    switch family {
    case .vit, .deit: names = .huggingFaceViT(prefix: prefix, modules: false)
    case .dinov2, .dinov2WithRegisters: names = .dinov2(prefix: prefix, modules: false, isGated: isGated)
    case .dinov3: names = .dinov3(prefix: prefix, isGated: isGated)
    }
    if configuration.vision.pooling == .classAndDistillation {
      names.classes = ["cls_classifier", "distillation_classifier"]
    }
    return FolderDraft(
      configuration: configuration,
      texts: [
        ("preprocessor_config.json", text(preprocessing(configuration, family))),
        ("config.json", text(members(configuration, family))),
      ], weightFile: "model.safetensors", names: names, hasLayerScale: family != .vit && family != .deit
    ) { object, store throws(CheckpointError) in
      var read =
        switch family {
        case .vit, .deit: try ModelConfiguration.huggingFaceViT(object, store: store)
        case .dinov2, .dinov2WithRegisters: try ModelConfiguration.dinov2(object, store: store)
        case .dinov3: try ModelConfiguration.dinov3(object, store: store)
        }
      read.configuration.layout = .huggingFace
      // The other file has what can be said of this.
      read.configuration.preprocessing = configuration.preprocessing
      read.configuration.preprocessing.cropsAtFloor = true
      read.configuration.preprocessing.padding = [0, 0, 0]
      read.configuration.preprocessing.resizesNumbers = family == .dinov3
      if configuration.preprocessing.resizeMode == .longest { read.configuration.preprocessing.resizeMode = .squash }
      return read
    }
  }

  private static func members(_ configuration: ModelConfiguration, _ family: Family) -> [String] {
    let vision = configuration.vision
    let size =
      vision.imageHeight == vision.imageWidth
      ? "\(vision.imageHeight)" : "[\(vision.imageHeight), \(vision.imageWidth)]"
    var members = [
      "\"architectures\": [\(quoted(modelClass(configuration, family)))]", "\"model_type\": \(quoted(family.rawValue))",
      "\"hidden_size\": \(vision.width)", "\"num_hidden_layers\": \(vision.layers)",
      "\"num_attention_heads\": \(vision.heads)", "\"layer_norm_eps\": \(vision.epsilon)",
      "\"image_size\": \(size)",
      "\"patch_size\": \(vision.patchSize)", "\"num_channels\": 3",
      "\"hidden_act\": \(quoted(name(vision.activation)))",
    ]
    let isGated = vision.mlp == .gated
    switch family {
    case .vit, .deit:
      members += ["\"intermediate_size\": \(vision.mlpWidth)", "\"qkv_bias\": \(vision.biases.queries)"]
    case .dinov2, .dinov2WithRegisters:
      // Two thirds of the product, rounded up to a multiple of eight, is the width of a gated MLP.
      let product = isGated ? vision.mlpWidth * 3 / 2 : vision.mlpWidth
      members += [
        "\"mlp_ratio\": \(ratio(product, vision.width))", "\"use_swiglu_ffn\": \(isGated)",
        "\"qkv_bias\": \(vision.biases.queries)", "\"layerscale_value\": 1.0",
      ]
      if family == .dinov2WithRegisters { members.append("\"num_register_tokens\": \(vision.registers)") }
    case .dinov3:
      let biases = vision.biases
      members += [
        "\"intermediate_size\": \(vision.mlpWidth)", "\"use_gated_mlp\": \(isGated)", "\"layerscale_value\": 1.0",
        "\"query_bias\": \(biases.queries)", "\"key_bias\": \(biases.keys)", "\"value_bias\": \(biases.values)",
        "\"proj_bias\": \(biases.output)", "\"mlp_bias\": \(biases.mlp)",
        "\"num_register_tokens\": \(vision.registers)", "\"rope_theta\": \(vision.rotary?.theta ?? 100)",
      ]
    }
    if let classes = configuration.classes {
      let labels = classes.enumerated().map { "\"\($0.offset)\": \(quoted($0.element))" }
      members.append("\"id2label\": {\(labels.joined(separator: ", "))}")
    }
    return members
  }

  private static func modelClass(_ configuration: ModelConfiguration, _ family: Family) -> String {
    let name =
      switch family {
      case .vit: "ViT"
      case .deit: "DeiT"
      case .dinov2: "Dinov2"
      case .dinov2WithRegisters: "Dinov2WithRegisters"
      case .dinov3: "DINOv3ViT"
      }
    guard configuration.classes != nil else { return name + "Model" }
    let hasTeacher = configuration.vision.pooling == .classAndDistillation
    return name + "ForImageClassification" + (hasTeacher ? "WithTeacher" : "")
  }

  private static func name(_ activation: Activation) -> String {
    switch activation {
    case .gelu: "gelu"
    case .quickGELU: "quick_gelu"
    case .geluTanh: "gelu_pytorch_tanh"
    case .silu: "silu"
    }
  }

  private static func preprocessing(_ configuration: ModelConfiguration, _ family: Family) -> [String] {
    let (vision, preprocessing) = (configuration.vision, configuration.preprocessing)
    let processor =
      switch family {
      case .vit: "ViTImageProcessor"
      case .deit: "DeiTImageProcessor"
      case .dinov2, .dinov2WithRegisters: "BitImageProcessor"
      case .dinov3: "DINOv3ViTImageProcessorFast"
      }
    let input = Preprocessing.Sides(height: vision.imageHeight, width: vision.imageWidth)
    let resized = preprocessing.resized ?? input
    func sides(_ sides: Preprocessing.Sides) -> String { "{\"height\": \(sides.height), \"width\": \(sides.width)}" }
    var fields = [
      "\"image_processor_type\": \(quoted(processor))", "\"do_resize\": true", "\"do_rescale\": true",
      "\"do_normalize\": true", "\"resample\": \(preprocessing.interpolation == .bilinear ? 2 : 3)",
    ]
    if preprocessing.resizeMode == .shortest {
      fields.append("\"size\": {\"shortest_edge\": \(min(resized.height, resized.width))}")
    } else {
      fields.append("\"size\": \(sides(resized))")
    }
    if preprocessing.resizeMode == .shortest || preprocessing.resized != nil {
      fields += ["\"do_center_crop\": true", "\"crop_size\": \(sides(input))"]
    }
    if let mean = preprocessing.mean { fields.append("\"image_mean\": \(list(mean))") }
    if let std = preprocessing.std { fields.append("\"image_std\": \(list(std))") }
    return fields
  }
}
