import Compute
import Failures
import SafeTensors
import StrictJSON

extension ModelConfiguration {
  /// Reads `open_clip_config.json`.
  ///
  /// Fields that are absent have OpenCLIP's defaults, except mean and std, which stay nil. Options that would change
  /// the arithmetic in a way that is not computed here are refused by name.
  static func readOpenCLIP(
    _ file: String, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    try readOpenCLIP(try ConfigurationObject(file: file), store: store)
  }

  static func readOpenCLIP(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    guard let model = try top.object("model_cfg") else {
      throw top.failure("model_cfg", expected: "an object", found: "nothing")
    }
    guard let visionObject = try model.object("vision_cfg") else {
      throw model.failure("vision_cfg", expected: "an object", found: "nothing")
    }
    let textObject = try model.object("text_cfg")
    try model.refuseOptions(except: [
      "embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "init_logit_scale", "nonscalar_logit_scale", "cast_dtype",
      "output_dict", "custom_text", "init_logit_bias", "multimodal_cfg",
    ])
    guard model.value("embed_dim") != nil else {
      throw model.failure("embed_dim", expected: "an integer", found: "nothing")
    }
    let quickGELU = try model.bool("quick_gelu", default: false)
    // A decoder for captions, and a tower that is no CLIP's, come with a text tower of its own.
    let isNested = try model.bool("custom_text", default: false) || model.value("multimodal_cfg") != nil
    let vision: VisionConfiguration
    var names: TowerNames?
    if let name = try visionObject.string("timm_model_name"), !name.isEmpty {
      (vision, names) = try openCLIPTrunk(visionObject, store: store)
    } else {
      vision = try openCLIPVision(visionObject, quickGELU: quickGELU)
    }
    let configuration = ModelConfiguration(
      embeddingWidth: try model.integer("embed_dim", default: 0, in: ConfigurationRange.width),
      vision: vision, text: nil,
      preprocessing: try openCLIPPreprocessing(try top.object("preprocess_cfg")),
      layout: .openCLIP, nestsText: isNested, hasLogitBias: model.value("init_logit_bias") != nil)
    var read = ReadConfiguration(
      configuration: configuration, visionLayerScale: visionObject.value("ls_init_value") != nil,
      textLayerScale: textObject?.value("ls_init_value") != nil)
    read.names = names
    if let textObject {
      try read.takeText { () throws(CheckpointError) in try openCLIPText(textObject, quickGELU: quickGELU) }
    }
    read.configuration.hasLogitScale = read.configuration.text != nil || store.contains("logit_scale")
    try read.configuration.validate(file: top.file)
    return read
  }

  static func openCLIPVision(
    _ object: ConfigurationObject, quickGELU: Bool
  ) throws(CheckpointError) -> VisionConfiguration {
    try object.require("pos_embed_type", .string("learnable"))
    if case .array? = object.value("layers") {
      throw object.unsupported("layers", expected: "the number of transformer blocks", found: "a ResNet's stages")
    }
    try object.refuseOptions(except: [
      "layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size", "ls_init_value", "act_kwargs",
      "norm_kwargs", "patch_dropout", "output_tokens", "timm_model_name", "timm_model_pretrained", "timm_pool",
      "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path", "pool_type", "pos_embed_type", "no_ln_pre",
      "final_ln_after_pool", "attentional_pool", "attn_pooler_queries", "attn_pooler_heads",
    ])
    let width = try object.integer("width", default: 768, in: ConfigurationRange.width)
    let headWidth = try object.integer("head_width", default: 64, in: ConfigurationRange.width)
    let patch = try object.size("patch_size", default: 16, in: ConfigurationRange.patchSize)
    guard patch.height == patch.width else {
      throw object.unsupported(
        "patch_size", expected: "square patches", found: "[\(patch.height), \(patch.width)]")
    }
    let image = try object.size("image_size", default: 224, in: ConfigurationRange.imageSize)
    return VisionConfiguration(
      layers: try object.integer("layers", default: 12, in: ConfigurationRange.layers), width: width,
      heads: width / headWidth, mlpWidth: try openCLIPMLPWidth(object, width: width), patchSize: patch.height,
      imageHeight: image.height, imageWidth: image.width,
      activation: try openCLIPActivation(object, quickGELU: quickGELU), epsilon: try openCLIPEpsilon(object),
      pooling: try openCLIPPooling(object), normsAfterPooling: try object.bool("final_ln_after_pool", default: false),
      hasInputNorm: try !object.bool("no_ln_pre", default: false))
  }

  private static func openCLIPPooling(
    _ object: ConfigurationObject
  ) throws(CheckpointError) -> VisionConfiguration.Pooling {
    let type = try object.string("pool_type") ?? "tok"
    if case .string(let kind)? = object.value("attentional_pool") {
      throw object.unsupported("attentional_pool", expected: "true or false", found: kind)
    }
    guard try object.bool("attentional_pool", default: false) else {
      switch type {
      case "tok": return .classToken
      case "avg": return .average
      case "none": return .unpooled
      default: throw object.unsupported("pool_type", expected: "tok, avg or none", found: type)
      }
    }
    try object.require("pool_type", .string("tok"))
    try object.require("final_ln_after_pool", .bool(false))
    return .queries(
      count: try object.integer("attn_pooler_queries", default: 256, in: ConfigurationRange.poolerQueries),
      heads: try object.integer("attn_pooler_heads", default: 8, in: ConfigurationRange.width))
  }

  private static func openCLIPText(
    _ object: ConfigurationObject, quickGELU: Bool
  ) throws(CheckpointError) -> TextConfiguration {
    try object.require("hf_model_name", .string(""))
    try object.require("proj_type", .string("linear"))
    try object.refuseOptions(except: [
      "context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "ls_init_value", "act_kwargs",
      "norm_kwargs", "hf_model_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "hf_tokenizer_name",
      "tokenizer_kwargs", "tokenizer_mode", "pad_id", "eos_id", "pool_type", "proj_type", "output_tokens",
      "embed_cls", "no_causal_mask", "proj_bias",
    ])
    let width = try object.integer("width", default: 512, in: ConfigurationRange.width)
    return TextConfiguration(
      contextLength: try object.integer("context_length", default: 77, in: ConfigurationRange.contextLength),
      vocabularySize: try object.integer("vocab_size", default: 49_408, in: ConfigurationRange.vocabularySize),
      width: width, heads: try object.integer("heads", default: 8, in: ConfigurationRange.width),
      layers: try object.integer("layers", default: 12, in: ConfigurationRange.layers),
      mlpWidth: try openCLIPMLPWidth(object, width: width),
      activation: try openCLIPActivation(object, quickGELU: quickGELU), epsilon: try openCLIPEpsilon(object),
      pooling: try openCLIPTextPooling(object), isCausal: try !object.bool("no_causal_mask", default: false),
      hasProjectionBias: try object.bool("proj_bias", default: false),
      tokenization: try openCLIPTokenization(object))
  }

  private static func openCLIPTextPooling(
    _ object: ConfigurationObject
  ) throws(CheckpointError) -> TextConfiguration.Pooling {
    if try object.bool("embed_cls", default: false) {
      // The mask hides padding from the class token.
      try object.require("pad_id", .integer(0))
      try object.require("no_causal_mask", .bool(false))
      return .classToken
    }
    switch try object.string("pool_type") ?? "argmax" {
    case "argmax": return .argmax
    case "last": return .last
    case "eos":
      return .firstEOT(try object.integer("eos_id", default: 2, in: 0...ConfigurationRange.vocabularySize.upperBound))
    case let other: throw object.unsupported("pool_type", expected: "argmax, eos or last", found: other)
    }
  }

  /// OpenCLIP's own tokenizer, or with `hf_tokenizer_name` that of the folder, whose kind its files show, behind a
  /// cleaning: canonicalised for SigLIP, white space alone where nothing is said.
  private static func openCLIPTokenization(
    _ object: ConfigurationObject
  ) throws(CheckpointError) -> TextConfiguration.Tokenization {
    let options = try object.object("tokenizer_kwargs")
    let clean = try options?.string("clean")
    guard let name = try object.string("hf_tokenizer_name"), !name.isEmpty else {
      guard clean == nil || clean == "lower" else {
        throw object.unsupported(
          "tokenizer_kwargs.clean", expected: "lower, or hf_tokenizer_name beside it", found: clean ?? "")
      }
      return .clip
    }
    let stripsSeparator = try options?.bool("strip_sep_token", default: false) ?? false
    switch clean {
    case "canonicalize" where !stripsSeparator: return .siglip
    case nil, "whitespace", "lower", "canonicalize":
      return .named(cleaning: clean ?? "whitespace", stripsSeparator: stripsSeparator)
    case let other?:
      throw object.unsupported(
        "tokenizer_kwargs.clean", expected: "whitespace, lower or canonicalize", found: other)
    }
  }

  /// OpenCLIP truncates: `int(width * mlp_ratio)`.
  static func openCLIPMLPWidth(_ object: ConfigurationObject, width: Int) throws(CheckpointError) -> Int {
    Int(Double(width) * (try object.double("mlp_ratio", default: 4, in: 1e-4...1e3)))
  }

  static func openCLIPActivation(
    _ object: ConfigurationObject, quickGELU: Bool
  ) throws(CheckpointError) -> Activation {
    guard !quickGELU, let options = try object.object("act_kwargs") else { return quickGELU ? .quickGELU : .gelu }
    try options.refuseOptions(except: ["approximate"])
    switch try options.string("approximate") {
    case nil, "none": return .gelu
    case "tanh": return .geluTanh
    case let other?: throw options.unsupported("approximate", expected: "\"none\" or \"tanh\"", found: other)
    }
  }

  private static func openCLIPEpsilon(_ object: ConfigurationObject) throws(CheckpointError) -> Float {
    guard let options = try object.object("norm_kwargs") else { return 1e-5 }
    try options.refuseOptions(except: ["eps"])
    return Float(try options.double("eps", default: 1e-5, in: ConfigurationRange.epsilon))
  }

  static func openCLIPPreprocessing(_ object: ConfigurationObject?) throws(CheckpointError) -> Preprocessing {
    guard let object else { return Preprocessing(mean: nil, std: nil) }
    try object.require("mode", .string("RGB"))
    var preprocessing = Preprocessing(
      mean: try object.channels("mean", positive: false), std: try object.channels("std", positive: true))
    if let name = try object.string("interpolation") {
      guard let interpolation = Preprocessing.Interpolation(rawValue: name) else {
        throw object.unsupported("interpolation", expected: "bicubic or bilinear", found: name)
      }
      preprocessing.interpolation = interpolation
    }
    if let name = try object.string("resize_mode") {
      guard let mode = Preprocessing.ResizeMode(rawValue: name) else {
        throw object.unsupported("resize_mode", expected: "shortest, longest or squash", found: name)
      }
      preprocessing.resizeMode = mode
    }
    if object.value("fill_color") != nil {
      let grey = UInt8(try object.integer("fill_color", default: 0, in: 0...255))
      preprocessing.padding = [grey, grey, grey]
    }
    return preprocessing
  }
}
