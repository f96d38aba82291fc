import Compute
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
    let tensors = source.tensors.map { (name: $0.name, stored: StoredTensor($0, layout: .openCLIP)) }
    var writer: SafeTensorsWriter
    do throws(SafeTensorsError) {
      writer = try SafeTensorsWriter(
        path: path,
        tensors: tensors.map {
          TensorDescription(name: $0.stored.names[0], shape: $0.stored.shape, elementType: elementType)
        }, overwrite: overwrite)
    } catch {
      throw CheckpointError(error)
    }
    for (name, stored) in tensors {
      var values = try source.floats(name)
      if stored.isTransposed { values = transposed(values, rows: stored.shape[1], columns: stored.shape[0]) }
      do throws(SafeTensorsError) { try writer.append(values) } catch { throw CheckpointError(error) }
    }
    do throws(SafeTensorsError) { try writer.finish() } catch { throw CheckpointError(error) }
  }

  /// The text of `open_clip_config.json`.
  private static func configurationText(
    _ configuration: ModelConfiguration, file: String
  ) throws(CheckpointError) -> String {
    let vision = configuration.vision
    try checkSayable(configuration, file: file)
    var visionFields = [
      "\"image_size\": [\(vision.imageHeight), \(vision.imageWidth)]", "\"layers\": \(vision.layers)",
      "\"width\": \(vision.width)", "\"head_width\": \(vision.headWidth)", "\"patch_size\": \(vision.patchSize)",
    ]
    visionFields += towerFields(vision.width, vision.mlpWidth, vision.activation, vision.epsilon)
    var model = ["\"embed_dim\": \(configuration.embeddingWidth)"]
    if vision.activation == .quickGELU { model.append("\"quick_gelu\": true") }
    model.append("\"vision_cfg\": {\(visionFields.joined(separator: ", "))}")
    if let text = configuration.text {
      var fields = [
        "\"context_length\": \(text.contextLength)", "\"vocab_size\": \(text.vocabularySize)",
        "\"width\": \(text.width)", "\"heads\": \(text.heads)", "\"layers\": \(text.layers)",
      ]
      fields += towerFields(text.width, text.mlpWidth, text.activation, text.epsilon)
      model.append("\"text_cfg\": {\(fields.joined(separator: ", "))}")
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
    if case .firstEOT(let id) = text.pooling, id != text.vocabularySize - 1 {
      throw unsupported(
        "text pooling", expected: "an end-of-text id of \(text.vocabularySize - 1), the largest", found: "\(id)")
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

  private static func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
}
