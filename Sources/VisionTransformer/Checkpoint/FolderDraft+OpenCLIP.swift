import Compute
import Failures
import StrictJSON

extension FolderDraft {
  /// OpenCLIP's own tower, or one that it takes from timm.
  static func openCLIP(
    _ configuration: ModelConfiguration, folder: String
  ) throws(CheckpointError) -> [FolderDraft] {
    var configuration = configuration
    configuration.layout = .openCLIP
    try checkSayable(configuration, file: folder + "/" + openCLIPFile)
    func draft(_ fields: [String], names: TowerNames?, hasLayerScale: Bool = false) -> FolderDraft {
      FolderDraft(
        configuration: configuration, texts: [(openCLIPFile, openCLIPText(configuration, vision: fields))],
        weightFile: "open_clip_model.safetensors", names: names, hasLayerScale: hasLayerScale
      ) { object, store throws(CheckpointError) in try ModelConfiguration.readOpenCLIP(object, store: store) }
    }
    let own = configuration.vision.pooling == .map ? [] : [draft(visionFields(configuration.vision), names: nil)]
    return own
      + MatchingTower.all(configuration, prefix: "visual.trunk.").map { match in
        var names = match.names
        if configuration.vision.hasProjection, !configuration.vision.hasProjectionBias {
          names.projection = "head.proj"
          names.isProjectionOutside = true
        }
        return draft(
          trunkFields(match, configuration.vision), names: names, hasLayerScale: match.tower.hasLayerScale)
      }
  }

  private static let openCLIPFile = "open_clip_config.json"

  /// The text of `open_clip_config.json`.
  private static func openCLIPText(_ configuration: ModelConfiguration, vision: [String]) -> String {
    var model = ["\"embed_dim\": \(configuration.embeddingWidth)"]
    if configuration.vision.activation == .quickGELU { model.append("\"quick_gelu\": true") }
    if configuration.nestsText { model.append("\"custom_text\": true") }
    if configuration.hasLogitBias { model.append("\"init_logit_bias\": -10") }
    model.append("\"vision_cfg\": {\(vision.joined(separator: ", "))}")
    if let text = configuration.text {
      model.append("\"text_cfg\": {\(textFields(text).joined(separator: ", "))}")
    }
    let preprocessing = configuration.preprocessing
    var steps: [String] = []
    if let mean = preprocessing.mean { steps.append("\"mean\": \(list(mean))") }
    if let std = preprocessing.std { steps.append("\"std\": \(list(std))") }
    steps.append("\"interpolation\": \(quoted(preprocessing.interpolation.rawValue))")
    steps.append("\"resize_mode\": \(quoted(preprocessing.resizeMode.rawValue))")
    return """
      {
        "model_cfg": {
          \(model.joined(separator: ",\n    "))
        },
        "preprocess_cfg": {
          \(steps.joined(separator: ",\n    "))
        }
      }

      """
  }

  private static func visionFields(_ vision: VisionConfiguration) -> [String] {
    var fields = [
      "\"image_size\": [\(vision.imageHeight), \(vision.imageWidth)]", "\"layers\": \(vision.layers)",
      "\"width\": \(vision.width)", "\"head_width\": \(vision.headWidth)", "\"patch_size\": \(vision.patchSize)",
    ]
    switch vision.pooling {
    case .classToken, .map, .classAndPatches, .classAndDistillation: break
    case .average: fields.append("\"pool_type\": \"avg\"")
    case .unpooled: fields.append("\"pool_type\": \"none\"")
    case .queries(let count, let heads):
      fields += [
        "\"attentional_pool\": true", "\"attn_pooler_queries\": \(count)", "\"attn_pooler_heads\": \(heads)",
      ]
    }
    if vision.normsAfterPooling { fields.append("\"final_ln_after_pool\": true") }
    if !vision.hasInputNorm { fields.append("\"no_ln_pre\": true") }
    return fields + towerFields(vision.width, vision.mlpWidth, vision.activation, vision.epsilon)
  }

  /// Sizes that timm knows no such tower of are said beside the name.
  private static func trunkFields(_ match: MatchingTower, _ vision: VisionConfiguration) -> [String] {
    var fields = [
      "\"timm_model_name\": \(quoted(match.tower.name))", "\"timm_model_pretrained\": false",
      "\"timm_pool\": \(quoted(match.pooling.rawValue))",
      "\"image_size\": [\(vision.imageHeight), \(vision.imageWidth)]",
    ]
    switch (vision.hasProjection, vision.hasProjectionBias) {
    case (false, _): fields.append("\"timm_proj\": \"none\"")
    case (true, true): fields.append("\"timm_proj\": null")
    case (true, false): fields.append("\"timm_proj\": \"linear\"")
    }
    if match.hasOwnSizes {
      fields += [
        "\"layers\": \(vision.layers)", "\"width\": \(vision.width)", "\"head_width\": \(vision.headWidth)",
        "\"patch_size\": \(vision.patchSize)", "\"mlp_ratio\": \(match.ratio)",
      ]
    }
    return fields
  }

  private static func textFields(_ text: TextConfiguration) -> [String] {
    var fields = [
      "\"context_length\": \(text.contextLength)", "\"vocab_size\": \(text.vocabularySize)",
      "\"width\": \(text.width)", "\"heads\": \(text.heads)", "\"layers\": \(text.layers)",
    ]
    switch text.pooling {
    case .argmax, .firstEOT, .firstOf: break
    case .last: fields.append("\"pool_type\": \"last\"")
    case .classToken: fields.append("\"embed_cls\": true")
    }
    if !text.isCausal { fields.append("\"no_causal_mask\": true") }
    if text.hasProjectionBias { fields.append("\"proj_bias\": true") }
    switch text.tokenization {
    case .clip: break
    case .siglip, .siglip2:
      fields += [
        "\"hf_tokenizer_name\": \"timm/ViT-B-16-SigLIP\(text.vocabularySize > 250_000 ? "2" : "")\"",
        "\"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}",
      ]
    case .named(let cleaning, let stripsSeparator):
      fields += [
        "\"hf_tokenizer_name\": \"bert-base-uncased\"",
        "\"tokenizer_kwargs\": {\"clean\": \(quoted(cleaning)), \"strip_sep_token\": \(stripsSeparator)}",
      ]
    }
    return fields + towerFields(text.width, text.mlpWidth, text.activation, text.epsilon)
  }

  /// The layout has one switch for QuickGELU and pools at the largest id.
  private static func checkSayable(_ configuration: ModelConfiguration, file: String) throws(CheckpointError) {
    func unsupported(_ place: String, expected: String, found: String) -> CheckpointError {
      CheckpointError(
        .unsupported, file: file, place: place, expected: expected, found: found,
        remedy: "this layout cannot say it")
    }
    guard let text = configuration.text else { return }
    let activations = [configuration.vision.activation, text.activation]
    guard activations[0] == activations[1] || !activations.contains(.quickGELU) else {
      throw unsupported(
        "quick_gelu", expected: "the same activation in both towers",
        found: activations.map(\.rawValue).joined(separator: " and "))
    }
    let ends: [Int]
    switch text.pooling {
    case .firstEOT(let id): ends = [id]
    case .firstOf(let ids): ends = ids
    case .argmax, .last, .classToken: return
    }
    guard ends == [text.vocabularySize - 1] else {
      throw unsupported(
        "text pooling", expected: "an end-of-text id of \(text.vocabularySize - 1), the largest",
        found: ends.map(String.init).joined(separator: ", "))
    }
  }

  private static func towerFields(
    _ width: Int, _ mlpWidth: Int, _ activation: Activation, _ epsilon: Float
  ) -> [String] {
    var fields: [String] = []
    if mlpWidth != 4 * width { fields.append("\"mlp_ratio\": \(ratio(mlpWidth, width))") }
    if activation == .geluTanh { fields.append("\"act_kwargs\": {\"approximate\": \"tanh\"}") }
    if epsilon != 1e-5 { fields.append("\"norm_kwargs\": {\"eps\": \(epsilon)}") }
    return fields
  }
}
