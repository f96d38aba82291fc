import Compute
import Failures
import SafeTensors

/// A model as the folder of a library would have it.
struct FolderDraft {
  let configuration: ModelConfiguration
  /// Files beside the weights; the one that makes the folder a model comes last.
  let texts: [(name: String, content: String)]
  let weightFile: String
  /// Of the vision tower's tensors, where the layout alone does not give them.
  var names: TowerNames?
  /// Whether the library's blocks have LayerScale: what it multiplies is in the weights, so that its factors are one.
  var hasLayerScale = false
  /// Reads the last text beside these tensors.
  let read: (ConfigurationObject, DescribedTensors) throws(CheckpointError) -> ReadConfiguration

  /// Whose folder a model is written as. OpenCLIP's are also those that have another's text tower, or pooler.
  static func library(of configuration: ModelConfiguration) -> ModelConfiguration.Layout {
    let vision = configuration.vision
    switch configuration.layout {
    case .openCLIP: return .openCLIP
    case .timm: return .timm
    case .huggingFace:
      let isAlone = configuration.text == nil && !vision.hasAttentionPooler && !vision.hasProjection
      return isAlone && !vision.hasInputNorm ? .huggingFace : .openCLIP
    }
  }

  var files: [String] { [weightFile] + texts.map(\.name) }

  /// Every tensor of the model, and where it lies.
  var tensors: [(tensor: CanonicalTensor, stored: StoredTensor)] {
    configuration.canonicalTensors.map { ($0, StoredTensor($0, in: configuration, names: names)) }
  }

  /// LayerScale's factors.
  var scales: [CanonicalTensor] {
    guard hasLayerScale, let names else { return [] }
    return (0..<configuration.vision.layers).flatMap { layer in
      names.scales.map {
        CanonicalTensor(name: names.prefix + names.blocks + "\(layer)." + $0, shape: [configuration.vision.width])
      }
    }
  }

  /// What the weight file holds, in its order.
  func descriptions(_ elementType: ElementType) -> [TensorDescription] {
    tensors.flatMap { $0.stored.parts }.compactMap { part in
      part.name.map { TensorDescription(name: $0, shape: part.shape, elementType: elementType) }
    } + scales.map { TensorDescription(name: $0.name, shape: $0.shape, elementType: elementType) }
  }

  /// What of the model is not as it was when it is read back; nil for all as it was.
  func difference(folder: String) throws(CheckpointError) -> CheckpointError? {
    guard let text = texts.last else { return nil }
    let file = folder + "/" + text.name
    let object = try ConfigurationObject(file: file, bytes: Array(text.content.utf8))
    let found: ReadConfiguration
    do { found = try read(object, DescribedTensors(descriptions(.f32))) } catch { return error }
    var back = found.configuration
    // Where the text is read, and how it becomes ids, is looked at before a text tower is written.
    if configuration.text != nil {
      back.text?.pooling = configuration.text?.pooling ?? .argmax
      back.text?.tokenization = configuration.text?.tokenization ?? .clip
    }
    // Each library starts a crop in the middle by a rounding of its own, half a pixel apart.
    back.preprocessing.cropsAtFloor = configuration.preprocessing.cropsAtFloor
    if configuration.vision.pooling != .map {
      back.vision.poolerHeads = configuration.vision.poolerHeads
      back.vision.poolerMLPWidth = configuration.vision.poolerMLPWidth
    }
    guard back != configuration || found.names != names else { return nil }
    let difference = Self.firstDifference(of: configuration, back, "")
    return CheckpointError(
      .unsupported, file: file, place: difference?.place ?? "names of tensors",
      expected: difference.map { "\($0.found), all that can be said" } ?? "those of the library",
      found: difference?.wanted ?? "others", remedy: "this layout cannot say it")
  }

  private static func firstDifference(
    of wanted: Any, _ found: Any, _ place: String
  ) -> (place: String, wanted: String, found: String)? {
    let (left, right) = (Mirror(reflecting: wanted), Mirror(reflecting: found))
    let (leftText, rightText) = (String(describing: wanted), String(describing: found))
    guard left.displayStyle == .struct, leftText != rightText else {
      return leftText == rightText ? nil : (place, leftText, rightText)
    }
    for (mine, other) in zip(left.children, right.children) {
      let name = place + (place.isEmpty ? "" : ".") + (mine.label ?? "")
      if let difference = firstDifference(of: mine.value, other.value, name) { return difference }
    }
    return (place, leftText, rightText)
  }
}

extension FolderDraft {
  /// A ratio that gives `mlpWidth` when its product with `width` loses its fraction.
  static func ratio(_ mlpWidth: Int, _ width: Int) -> String {
    mlpWidth % width == 0 ? "\(mlpWidth / width)" : "\((Double(mlpWidth) + 0.5) / Double(width))"
  }

  /// Lines of an object's members, such as `"width": 768`.
  static func text(_ members: [String]) -> String { "{\n  \(members.joined(separator: ",\n  "))\n}\n" }

  static func list(_ values: [Double]) -> String { "[" + values.map { "\($0)" }.joined(separator: ", ") + "]" }
}
