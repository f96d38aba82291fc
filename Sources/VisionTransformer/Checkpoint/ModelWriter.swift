import Compute
public import Failures
import Files
public import SafeTensors
import StrictJSON

/// Writes a model as a folder in OpenCLIP layout.
public enum ModelWriter {
  public static let configurationFile = "open_clip_config.json"
  public static let weightFile = "open_clip_model.safetensors"

  /// Writes `source` into `folder`, which is made if it does not exist. One tensor at a time is in memory. Each file
  /// appears whole or not at all, the configuration last.
  /// - Parameter elementType: F32, F16 or BF16 for every tensor, rounded to nearest even.
  /// - Throws: `exists` when there is a model in the folder and `overwrite` is false, `unsupported` for a configuration
  ///   that the layout cannot say, `cannotWrite`, `weights`, or what reading `source` throws.
  public static func write(
    _ source: some WeightSource, to folder: String, elementType: ElementType = .f32, overwrite: Bool = false
  ) throws(CheckpointError) {
    let configurationPath = folder + "/" + configurationFile
    let text = try configurationText(source.configuration, file: configurationPath)
    do throws(FileError) {
      try FileTree.create(folder: folder)
    } catch {
      throw CheckpointError(.cannotWrite, error)
    }
    for path in [configurationPath, folder + "/" + weightFile] where !overwrite && FileTree.exists(path) {
      throw CheckpointError(
        .exists, file: path, place: "writing", expected: "no file of this name", found: "one",
        remedy: "remove it, choose another folder, or ask to overwrite")
    }
    try writeWeights(source, to: folder + "/" + weightFile, elementType: elementType, overwrite: overwrite)
    do throws(FileError) {
      try AtomicFile.write(Array(text.utf8), to: configurationPath)
    } catch {
      throw CheckpointError(.cannotWrite, error)
    }
  }

  private static func writeWeights(
    _ source: some WeightSource, to path: String, elementType: ElementType, overwrite: Bool
  ) throws(CheckpointError) {
    var configuration = source.configuration
    configuration.layout = .openCLIP
    let names = configuration.vision.pooling == .map ? TowerNames.timm(prefix: "visual.trunk.") : nil
    let tensors = source.tensors.map { (name: $0.name, stored: StoredTensor($0, in: configuration, names: names)) }
    var writer: SafeTensorsWriter
    do throws(SafeTensorsError) {
      writer = try SafeTensorsWriter(
        path: path,
        tensors: tensors.flatMap { tensor in
          tensor.stored.parts.map { TensorDescription(name: $0.name ?? "", shape: $0.shape, elementType: elementType) }
        }, overwrite: overwrite)
    } catch {
      throw CheckpointError(error)
    }
    for (name, stored) in tensors {
      var values = try source.floats(name)
      let shape = stored.parts[0].shape
      if stored.isTransposed { values = transposed(values, rows: shape[1], columns: shape[0]) }
      do throws(SafeTensorsError) {
        var start = 0
        for part in stored.parts {
          let end = start + part.shape.reduce(1, *)
          try writer.append(stored.parts.count == 1 ? values : Array(values[start..<end]))
          start = end
        }
      } catch { throw CheckpointError(error) }
    }
    do throws(SafeTensorsError) { try writer.finish() } catch { throw CheckpointError(error) }
  }

  /// The text of `open_clip_config.json`.
  private static func configurationText(
    _ configuration: ModelConfiguration, file: String
  ) throws(CheckpointError) -> String {
    let vision = configuration.vision
    try checkSayable(configuration, file: file)
    var model = ["\"embed_dim\": \(configuration.embeddingWidth)"]
    if vision.activation == .quickGELU { model.append("\"quick_gelu\": true") }
    if configuration.nestsText { model.append("\"custom_text\": true") }
    if configuration.hasLogitBias { model.append("\"init_logit_bias\": -10") }
    model.append("\"vision_cfg\": {\(visionFields(vision).joined(separator: ", "))}")
    if let text = configuration.text {
      model.append("\"text_cfg\": {\(textFields(text).joined(separator: ", "))}")
    }
    let preprocessing = configuration.preprocessing
    var steps: [String] = []
    if let mean = preprocessing.mean { steps.append("\"mean\": [\(list(mean))]") }
    if let std = preprocessing.std { steps.append("\"std\": [\(list(std))]") }
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
    case .classToken: break
    case .classAndPatches, .classAndDistillation: break
    case .average: fields.append("\"pool_type\": \"avg\"")
    case .unpooled: fields.append("\"pool_type\": \"none\"")
    case .map:
      fields += [
        "\"timm_model_name\": \(quoted(trunkName(of: vision)))", "\"timm_model_pretrained\": false",
        "\"timm_pool\": \"map\"", "\"timm_proj\": \"none\"",
      ]
    case .queries(let count, let heads):
      fields += [
        "\"attentional_pool\": true", "\"attn_pooler_queries\": \(count)", "\"attn_pooler_heads\": \(heads)",
      ]
    }
    if vision.normsAfterPooling { fields.append("\"final_ln_after_pool\": true") }
    if !vision.hasInputNorm, vision.pooling != .map { fields.append("\"no_ln_pre\": true") }
    // timm's towers have an epsilon of their own.
    let epsilon = vision.pooling == .map ? 1e-5 : vision.epsilon
    return fields + towerFields(vision.width, vision.mlpWidth, vision.activation, epsilon)
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
        "\"hf_tokenizer_name\": \"timm/ViT-B-16-SigLIP\"", "\"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}",
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
    guard configuration.vision.pooling != .map || configuration.vision.epsilon == 1e-6 else {
      throw unsupported(
        "epsilon", expected: "1e-6 in a SigLIP vision tower", found: "\(configuration.vision.epsilon)")
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
    // The half keeps the truncation of width · ratio from falling to the integer below.
    if mlpWidth != 4 * width { fields.append("\"mlp_ratio\": \((Double(mlpWidth) + 0.5) / Double(width))") }
    if activation == .geluTanh { fields.append("\"act_kwargs\": {\"approximate\": \"tanh\"}") }
    if epsilon != 1e-5 { fields.append("\"norm_kwargs\": {\"eps\": \(epsilon)}") }
    return fields
  }

  /// A SigLIP tower of timm with these sizes; those of the configuration win where timm knows no such tower.
  private static func trunkName(of vision: VisionConfiguration) -> String {
    let size =
      switch (vision.layers, vision.width) {
      case (24, 1_024): "large"
      default: "base"
      }
    let name = "vit_\(size)_patch16_siglip_\(vision.imageHeight)"
    return TimmTower.named(name) == nil ? "vit_\(size)_patch16_siglip_256" : name
  }

  private static func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
}
