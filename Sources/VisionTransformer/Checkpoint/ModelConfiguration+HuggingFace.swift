import Compute
import Failures
import SafeTensors
import StrictJSON

extension ModelConfiguration {
  /// Reads a `config.json` of transformers and, when given, what says how its pictures are prepared.
  ///
  /// Fields equal to the library's defaults are absent from such files and have these defaults here, except mean and
  /// std, which stay nil.
  static func readHuggingFace(
    _ file: String, preprocessor: ConfigurationObject?, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    try readHuggingFace(try ConfigurationObject(file: file), preprocessor: preprocessor, store: store)
  }

  static func readHuggingFace(
    _ top: ConfigurationObject, preprocessor: ConfigurationObject?, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    var read =
      switch try top.string("model_type") {
      case "clip": try huggingFaceCLIP(top, family: "clip")
      case "metaclip_2": try huggingFaceCLIP(top, family: "metaclip_2")
      case "clip_vision_model", "metaclip_2_vision_model": try huggingFaceCLIPVision(top, store: store)
      case "siglip": try huggingFaceSigLIP(top, family: "siglip")
      case "siglip2": try huggingFaceSigLIP(top, family: "siglip2")
      case "siglip_vision_model", "siglip2_vision_model": try huggingFaceSigLIPVision(top, store: store)
      case "vit", "deit": try huggingFaceViT(top, store: store)
      case "dinov2", "dinov2_with_registers": try dinov2(top, store: store)
      case "dinov3_vit": try dinov3(top, store: store)
      default:
        throw top.unsupported(
          "model_type",
          expected: "clip, metaclip_2, siglip, siglip2, vit, deit, dinov2, dinov2_with_registers or dinov3_vit",
          found: top.value("model_type")?.summary ?? "nothing")
      }
    read.configuration.layout = .huggingFace
    if let preprocessor {
      let vision = read.configuration.vision
      var preprocessing = try huggingFacePreprocessing(preprocessor)
      if preprocessing.output == .init(height: vision.imageHeight, width: vision.imageWidth) {
        preprocessing.output = nil
      }
      read.configuration.preprocessing = preprocessing
    }
    try read.configuration.validate(file: top.file)
    return read
  }

  /// - Parameter family: the model's `model_type`, which those of its towers begin with.
  private static func huggingFaceCLIP(
    _ top: ConfigurationObject, family: String
  ) throws(CheckpointError) -> ReadConfiguration {
    let (vision, text) = (try section("vision_config", of: top), try section("text_config", of: top))
    try vision.require("model_type", .string(family + "_vision_model"))
    var read = ReadConfiguration(
      configuration: ModelConfiguration(
        embeddingWidth: try top.integer("projection_dim", default: 512, in: ConfigurationRange.width),
        vision: try huggingFaceVision(vision), text: nil, preprocessing: Preprocessing(mean: nil, std: nil)))
    try read.takeText { () throws(CheckpointError) in try huggingFaceText(text, family: family) }
    read.configuration.hasLogitScale = true
    return read
  }

  /// CLIP's vision tower alone, with its projection or without.
  private static func huggingFaceCLIPVision(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    var vision = try huggingFaceVision(top)
    vision.hasProjection = store.contains("visual_projection.weight")
    let embeddingWidth =
      vision.hasProjection
      ? try top.integer("projection_dim", default: 512, in: ConfigurationRange.width) : vision.width
    return ReadConfiguration(
      configuration: ModelConfiguration(
        embeddingWidth: embeddingWidth, vision: vision, text: nil, preprocessing: Preprocessing(mean: nil, std: nil)),
      dropsVisionPrefix: !store.contains("vision_model.embeddings.patch_embedding.weight"))
  }

  /// One tower's fields. Older files repeat them under "…_dict", which then wins; a section that is absent has every
  /// default.
  static func section(
    _ key: String, of top: ConfigurationObject
  ) throws(CheckpointError) -> ConfigurationObject {
    if let object = try top.object(key + "_dict") { return object }
    if let object = try top.object(key) { return object }
    return ConfigurationObject(file: top.file, path: key + ".")
  }

  private static func huggingFaceVision(_ object: ConfigurationObject) throws(CheckpointError) -> VisionConfiguration {
    try object.require("num_channels", .integer(3))
    let image = try object.size("image_size", default: 224, in: ConfigurationRange.imageSize)
    return VisionConfiguration(
      layers: try object.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers),
      width: try object.integer("hidden_size", default: 768, in: ConfigurationRange.width),
      heads: try object.integer("num_attention_heads", default: 12, in: ConfigurationRange.width),
      mlpWidth: try object.integer("intermediate_size", default: 3_072, in: ConfigurationRange.mlpWidth),
      patchSize: try object.integer("patch_size", default: 32, in: ConfigurationRange.patchSize),
      imageHeight: image.height, imageWidth: image.width, activation: try huggingFaceActivation(object),
      epsilon: Float(try object.double("layer_norm_eps", default: 1e-5, in: ConfigurationRange.epsilon)))
  }

  private static func huggingFaceText(
    _ object: ConfigurationObject, family: String
  ) throws(CheckpointError) -> TextConfiguration {
    try object.require("model_type", .string(family + "_text_model"))
    return TextConfiguration(
      contextLength: try object.integer(
        "max_position_embeddings", default: 77, in: ConfigurationRange.contextLength),
      vocabularySize: try object.integer("vocab_size", default: 49_408, in: ConfigurationRange.vocabularySize),
      width: try object.integer("hidden_size", default: 512, in: ConfigurationRange.width),
      heads: try object.integer("num_attention_heads", default: 8, in: ConfigurationRange.width),
      layers: try object.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers),
      mlpWidth: try object.integer("intermediate_size", default: 2_048, in: ConfigurationRange.mlpWidth),
      activation: try huggingFaceActivation(object),
      epsilon: Float(try object.double("layer_norm_eps", default: 1e-5, in: ConfigurationRange.epsilon)),
      pooling: try huggingFaceTextPooling(object, isCLIP: family == "clip"))
  }

  /// The pooled row: the first end of text. 2 is a value of CLIP's old files that never was the id of anything; for it
  /// transformers 5.24 takes the largest id, which is an added token where the text has one.
  private static func huggingFaceTextPooling(
    _ object: ConfigurationObject, isCLIP: Bool
  ) throws(CheckpointError) -> TextConfiguration.Pooling {
    let ends = try ends(object, default: isCLIP ? 49_407 : 2)
    guard ends.count == 1 else { return .firstOf(ends) }
    return isCLIP && ends[0] == 2 ? .argmax : .firstEOT(ends[0])
  }

  /// `eos_token_id`, an id or a list of them.
  static func ends(_ object: ConfigurationObject, default standard: Int) throws(CheckpointError) -> [Int] {
    let range = 0...ConfigurationRange.vocabularySize.upperBound
    guard case .array(let list)? = object.value("eos_token_id") else {
      return [try object.integer("eos_token_id", default: standard, in: range)]
    }
    var ids: [Int] = []
    for value in list {
      guard case .integer(let id) = value, range.contains(id) else {
        throw object.failure(
          "eos_token_id", expected: "an id, or a list of ids up to \(range.upperBound)", found: value.summary)
      }
      ids.append(id)
    }
    guard !ids.isEmpty else {
      throw object.failure("eos_token_id", expected: "an id, or a list of ids", found: "an empty list")
    }
    return ids
  }

  static func huggingFaceActivation(
    _ object: ConfigurationObject, default standard: Activation = .quickGELU
  ) throws(CheckpointError) -> Activation {
    switch try object.string("hidden_act") {
    case nil: return standard
    case "quick_gelu": return .quickGELU
    case "gelu": return .gelu
    case "gelu_pytorch_tanh", "gelu_new": return .geluTanh
    case "silu", "swish": return .silu
    case let other?:
      throw object.unsupported("hidden_act", expected: "gelu, quick_gelu, gelu_pytorch_tanh or silu", found: other)
    }
  }

  static func huggingFacePreprocessing(_ object: ConfigurationObject) throws(CheckpointError) -> Preprocessing {
    try object.require("do_normalize", .bool(true))
    try object.require("do_resize", .bool(true))
    try object.require("do_rescale", .bool(true))
    let factor = try object.double("rescale_factor", default: 1.0 / 255, in: 0...1e3)
    guard abs(factor * 255 - 1) < 1e-6 else {
      throw object.unsupported("rescale_factor", expected: "1/255", found: "\(factor)")
    }
    var preprocessing = Preprocessing(
      mean: try object.channels("image_mean", positive: false), std: try object.channels("image_std", positive: true))
    switch try object.integer("resample", default: 3, in: 0...100) {
    case 2: preprocessing.interpolation = .bilinear
    case 3: preprocessing.interpolation = .bicubic
    case let other:
      throw object.unsupported("resample", expected: "3 (bicubic) or 2 (bilinear)", found: "\(other)")
    }
    preprocessing.cropsAtFloor = true
    preprocessing.resizesNumbers = try object.string("image_processor_type")?.hasPrefix("DINOv3") ?? false
    if object.value("max_num_patches") != nil {
      preprocessing.resizeMode = .squash
      preprocessing.patchLimit = try object.integer("max_num_patches", default: 256, in: ConfigurationRange.tokens)
    }
    if let size = try object.sizeObject("size") {
      if size.value("shortest_edge") == nil, size.value("height") != nil, size.value("width") != nil {
        preprocessing.resizeMode = .squash
      } else if size.value("shortest_edge") == nil {
        throw object.unsupported("size", expected: "shortest_edge, or height and width", found: "other keys")
      }
      let crops = try object.bool("do_center_crop", default: true)
      let crop = crops ? try object.sizeObject("crop_size")?.sides() : nil
      let sides = try size.sides()
      preprocessing.output = crop ?? (preprocessing.resizeMode == .squash ? sides : nil)
      if let crop, let sides, sides != crop { preprocessing.resized = sides }
    }
    return preprocessing
  }
}
