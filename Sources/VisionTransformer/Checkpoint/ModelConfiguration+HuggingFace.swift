import Compute
import Failures
import StrictJSON

extension ModelConfiguration {
  /// Reads a CLIPModel's or SiglipModel's `config.json` and, when given, its `preprocessor_config.json`.
  ///
  /// Fields equal to the library's defaults are absent from such files and have these defaults here, except mean and
  /// std, which stay nil.
  static func readHuggingFace(_ file: String, preprocessor: String?) throws(CheckpointError) -> ReadConfiguration {
    let top = try ConfigurationObject(file: file)
    let type = try top.string("model_type")
    guard type == "clip" || type == "siglip" else {
      throw top.unsupported(
        "model_type", expected: "\"clip\" or \"siglip\"", found: top.value("model_type")?.summary ?? "nothing")
    }
    let vision = try section("vision_config", of: top)
    let text = try section("text_config", of: top)
    var preprocessing = Preprocessing(mean: nil, std: nil)
    if let preprocessor {
      preprocessing = try huggingFacePreprocessing(ConfigurationObject(file: preprocessor))
    }
    if type == "siglip" {
      return try huggingFaceSigLIP(file: file, vision: vision, text: text, preprocessing: preprocessing)
    }
    let configuration = ModelConfiguration(
      embeddingWidth: try top.integer("projection_dim", default: 512, in: ConfigurationRange.width),
      vision: try huggingFaceVision(vision), text: try huggingFaceText(text),
      preprocessing: preprocessing, layout: .huggingFace)
    try configuration.validate(file: file)
    return ReadConfiguration(configuration: configuration)
  }

  /// One tower's fields. Older files repeat them under "…_dict", which then wins; a section that is absent has every
  /// default.
  private static func section(
    _ key: String, of top: ConfigurationObject
  ) throws(CheckpointError) -> ConfigurationObject {
    if let object = try top.object(key + "_dict") { return object }
    if let object = try top.object(key) { return object }
    return ConfigurationObject(file: top.file, path: key + ".")
  }

  private static func huggingFaceVision(_ object: ConfigurationObject) throws(CheckpointError) -> VisionConfiguration {
    try object.require("model_type", .string("clip_vision_model"))
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

  private static func huggingFaceText(_ object: ConfigurationObject) throws(CheckpointError) -> TextConfiguration {
    try object.require("model_type", .string("clip_text_model"))
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
      pooling: try huggingFaceTextPooling(object))
  }

  /// CLIPModel's pooled row: the first end of text. 2 is a value of old files that never was the id of anything; for it
  /// transformers 5.24 takes the largest id, which is an added token where the text has one.
  private static func huggingFaceTextPooling(
    _ object: ConfigurationObject
  ) throws(CheckpointError) -> TextConfiguration.Pooling {
    let ends = try ends(object, default: 49_407)
    guard ends.count == 1 else { return .firstOf(ends) }
    return ends[0] == 2 ? .argmax : .firstEOT(ends[0])
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
    case let other?:
      throw object.unsupported("hidden_act", expected: "gelu, quick_gelu or gelu_pytorch_tanh", found: other)
    }
  }

  private static func huggingFacePreprocessing(_ object: ConfigurationObject) throws(CheckpointError) -> Preprocessing {
    try object.require("do_normalize", .bool(true))
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
    if case .object(let size)? = object.value("size") {
      if size["shortest_edge"] == nil, size["height"] != nil, size["width"] != nil {
        preprocessing.resizeMode = .squash
      } else if size["shortest_edge"] == nil {
        throw object.unsupported("size", expected: "shortest_edge, or height and width", found: "other keys")
      }
    }
    return preprocessing
  }
}
