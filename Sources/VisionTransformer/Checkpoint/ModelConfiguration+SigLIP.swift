import Compute
import Failures
import SafeTensors
import StrictJSON

extension ModelConfiguration {
  /// A SiglipModel (methods §9.5) or a Siglip2Model. Their files may hold almost nothing; the rest are the library's
  /// defaults.
  /// - Parameter family: the model's `model_type`, which those of its towers begin with.
  static func huggingFaceSigLIP(
    _ top: ConfigurationObject, family: String
  ) throws(CheckpointError) -> ReadConfiguration {
    let (vision, text) = (try section("vision_config", of: top), try section("text_config", of: top))
    try vision.require("model_type", .string(family + "_vision_model"))
    let tower = try siglipVision(vision, readsPatchRows: family == "siglip2")
    var read = ReadConfiguration(
      configuration: ModelConfiguration(
        embeddingWidth: tower.width, vision: tower, text: nil, preprocessing: Preprocessing(mean: nil, std: nil),
        nestsText: true, hasLogitBias: true))
    try read.takeText { () throws(CheckpointError) in
      try text.require("model_type", .string(family + "_text_model"))
      var configuration = try siglipText(text, embeddingWidth: tower.width)
      if family == "siglip2" { configuration.tokenization = .siglip2 }
      return configuration
    }
    read.configuration.hasLogitScale = true
    return read
  }

  /// The vision tower alone.
  static func huggingFaceSigLIPVision(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    let tower = try siglipVision(top, readsPatchRows: try top.string("model_type") == "siglip2_vision_model")
    return ReadConfiguration(
      configuration: ModelConfiguration(
        embeddingWidth: tower.width, vision: tower, text: nil, preprocessing: Preprocessing(mean: nil, std: nil)),
      dropsVisionPrefix: !store.contains("vision_model.embeddings.patch_embedding.weight"))
  }

  /// - Parameter readsPatchRows: whether there is a number of patches (NaFlex) instead of an image's size.
  private static func siglipVision(
    _ object: ConfigurationObject, readsPatchRows: Bool
  ) throws(CheckpointError) -> VisionConfiguration {
    try object.require("num_channels", .integer(3))
    try object.require("vision_use_head", .bool(true))
    let patch = try object.integer("patch_size", default: 16, in: ConfigurationRange.patchSize)
    var image = try object.size("image_size", default: 224, in: ConfigurationRange.imageSize)
    if readsPatchRows {
      let patches = try object.integer("num_patches", default: 256, in: ConfigurationRange.tokens)
      let side = Int(Double(patches).squareRoot())
      guard side * side == patches else {
        throw object.unsupported("num_patches", expected: "a square number", found: "\(patches)")
      }
      image = (side * patch, side * patch)
    }
    var vision = VisionConfiguration(
      layers: try object.integer("num_hidden_layers", default: 12, in: ConfigurationRange.layers),
      width: try object.integer("hidden_size", default: 768, in: ConfigurationRange.width),
      heads: try object.integer("num_attention_heads", default: 12, in: ConfigurationRange.width),
      mlpWidth: try object.integer("intermediate_size", default: 3_072, in: ConfigurationRange.mlpWidth),
      patchSize: patch, imageHeight: image.height, imageWidth: image.width,
      activation: try huggingFaceActivation(object, default: .geluTanh),
      epsilon: Float(try object.double("layer_norm_eps", default: 1e-6, in: ConfigurationRange.epsilon)),
      pooling: .map, hasClassToken: false, hasInputNorm: false, hasPatchBias: true)
    vision.readsPatchRows = readsPatchRows
    if readsPatchRows { vision.positions?.resampling = .bilinear }
    return vision
  }

  private static func siglipText(
    _ object: ConfigurationObject, embeddingWidth: Int
  ) throws(CheckpointError) -> TextConfiguration {
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
