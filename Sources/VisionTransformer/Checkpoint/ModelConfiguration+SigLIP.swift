import Compute
import Failures
import StrictJSON

extension ModelConfiguration {
  /// A Hugging Face SiglipModel (methods §9.5). Its files may hold almost nothing; the rest are the library's defaults.
  static func huggingFaceSigLIP(
    file: String, vision: ConfigurationObject, text: ConfigurationObject, preprocessing: Preprocessing
  ) throws(CheckpointError) -> ReadConfiguration {
    let tower = try siglipVision(vision)
    let configuration = ModelConfiguration(
      embeddingWidth: tower.width, vision: tower, text: try siglipText(text, embeddingWidth: tower.width),
      preprocessing: preprocessing, layout: .huggingFace, nestsText: true, hasLogitBias: true)
    try configuration.validate(file: file)
    return ReadConfiguration(configuration: configuration)
  }

  private static func siglipVision(_ object: ConfigurationObject) throws(CheckpointError) -> VisionConfiguration {
    try object.require("model_type", .string("siglip_vision_model"))
    try object.require("num_channels", .integer(3))
    try object.require("vision_use_head", .bool(true))
    let image = try object.size("image_size", default: 224, in: ConfigurationRange.imageSize)
    return VisionConfiguration(
      layers: try object.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers),
      width: try object.integer("hidden_size", default: 768, in: ConfigurationRange.width),
      heads: try object.integer("num_attention_heads", default: 12, in: ConfigurationRange.width),
      mlpWidth: try object.integer("intermediate_size", default: 3_072, in: ConfigurationRange.mlpWidth),
      patchSize: try object.integer("patch_size", default: 16, in: ConfigurationRange.patchSize),
      imageHeight: image.height, imageWidth: image.width,
      activation: try huggingFaceActivation(object, default: .geluTanh),
      epsilon: Float(try object.double("layer_norm_eps", default: 1e-6, in: ConfigurationRange.epsilon)),
      pooling: .map, hasClassToken: false, hasInputNorm: false, hasPatchBias: true)
  }

  private static func siglipText(
    _ object: ConfigurationObject, embeddingWidth: Int
  ) throws(CheckpointError) -> TextConfiguration {
    try object.require("model_type", .string("siglip_text_model"))
    let width = try object.integer("hidden_size", default: 768, in: ConfigurationRange.width)
    guard try object.integer("projection_size", default: width, in: ConfigurationRange.width) == embeddingWidth else {
      throw object.unsupported(
        "projection_size", expected: "the vision tower's width \(embeddingWidth)",
        found: object.value("projection_size")?.summary ?? "\(width)")
    }
    return TextConfiguration(
      contextLength: try object.integer(
        "max_position_embeddings", default: 64, in: ConfigurationRange.contextLength),
      vocabularySize: try object.integer("vocab_size", default: 32_000, in: ConfigurationRange.vocabularySize),
      width: width, heads: try object.integer("num_attention_heads", default: 12, in: ConfigurationRange.width),
      layers: try object.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers),
      mlpWidth: try object.integer("intermediate_size", default: 3_072, in: ConfigurationRange.mlpWidth),
      activation: try huggingFaceActivation(object, default: .geluTanh),
      epsilon: Float(try object.double("layer_norm_eps", default: 1e-6, in: ConfigurationRange.epsilon)),
      pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip)
  }
}
