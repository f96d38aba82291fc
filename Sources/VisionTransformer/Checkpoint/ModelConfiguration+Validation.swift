import Failures

/// Ranges of what a configuration may hold: wide enough for any model, narrow enough that no product overflows.
enum ConfigurationRange {
  static let layers = 1...1_000
  static let width = 1...32_768
  static let mlpWidth = 1...262_144
  static let patchSize = 1...512
  static let imageSize = 1...16_384
  static let tokens = 1...1_048_577
  static let poolerQueries = 1...65_536
  static let contextLength = 1...65_536
  static let vocabularySize = 1...16_777_216
  static let epsilon = 1e-12...1e-1
}

extension ModelConfiguration {
  /// Checks that the values fit each other; `file` is named in the error.
  func validate(file: String) throws(CheckpointError) {
    func failure(_ place: String, expected: String, found: String) -> CheckpointError {
      CheckpointError(
        .configuration, file: file, place: place, expected: expected, found: found,
        remedy: "correct the file or fetch it again")
    }
    for (place, width, heads) in [("vision", vision.width, vision.heads), ("text", text?.width ?? 1, text?.heads ?? 1)]
    {
      guard heads >= 1, heads <= width, width % heads == 0 else {
        throw failure(
          "\(place) heads", expected: "a number of heads that divides the width \(width)", found: "\(heads)")
      }
    }
    try validatePooling { failure($0, expected: $1, found: $2) }
    guard ConfigurationRange.mlpWidth.contains(vision.mlpWidth) else {
      throw failure(
        "vision MLP", expected: "a width in \(ConfigurationRange.mlpWidth)", found: "\(vision.mlpWidth)")
    }
    for (place, size) in [("image height", vision.imageHeight), ("image width", vision.imageWidth)]
    where size < vision.patchSize {
      throw failure(place, expected: "at least the patch size \(vision.patchSize)", found: "\(size)")
    }
    if vision.rotary != nil, vision.headWidth % 4 != 0 {
      throw failure(
        "vision heads", expected: "heads whose width is a multiple of 4, as their positions turn",
        found: "\(vision.headWidth)")
    }
    guard ConfigurationRange.tokens.contains(vision.tokens) else {
      throw failure("vision tokens", expected: "a number in \(ConfigurationRange.tokens)", found: "\(vision.tokens)")
    }
    guard let text else { return }
    guard ConfigurationRange.mlpWidth.contains(text.mlpWidth) else {
      throw failure("text MLP", expected: "a width in \(ConfigurationRange.mlpWidth)", found: "\(text.mlpWidth)")
    }
    if case .firstEOT(let id) = text.pooling, !(0..<text.vocabularySize).contains(id) {
      throw failure(
        "end-of-text id", expected: "an id below the vocabulary size \(text.vocabularySize)", found: "\(id)")
    }
  }
}

extension ModelConfiguration {
  private func validatePooling(
    _ failure: (_ place: String, _ expected: String, _ found: String) -> CheckpointError
  ) throws(CheckpointError) {
    switch vision.pooling {
    case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation: break
    case .map:
      guard vision.hasProjection || embeddingWidth == vision.width else {
        throw failure(
          "embedding width", "the vision tower's width \(vision.width), as its pooler does not project",
          "\(embeddingWidth)")
      }
      guard vision.poolerHeads >= 1, vision.width % vision.poolerHeads == 0 else {
        throw failure(
          "pooler heads", "a number of heads that divides the width \(vision.width)", "\(vision.poolerHeads)")
      }
    case .queries(_, let heads):
      guard embeddingWidth % heads == 0 else {
        throw failure("pooler heads", "a number of heads that divides the width \(embeddingWidth)", "\(heads)")
      }
    }
  }
}

/// A configuration, and what only the reading of the weights needs.
struct ReadConfiguration {
  var configuration: ModelConfiguration
  /// Whether the configuration declares LayerScale, which the weights then must hold.
  var visionLayerScale = false
  var textLayerScale = false
  /// Of the vision tower's tensors, where the layout alone does not give them.
  var names: TowerNames?
  /// Whether the vision tower's names lack `vision_model.`.
  var dropsVisionPrefix = false
  /// Why the text tower cannot be read, where there is one that is not understood.
  var textFault: CheckpointError?
  /// Tensors of the vision tower that nothing reads.
  var ignored: [String] = []

  init(
    configuration: ModelConfiguration, visionLayerScale: Bool = false, textLayerScale: Bool = false,
    dropsVisionPrefix: Bool = false
  ) {
    self.configuration = configuration
    self.visionLayerScale = visionLayerScale
    self.textLayerScale = textLayerScale
    self.dropsVisionPrefix = dropsVisionPrefix
  }

  init(_ configuration: ModelConfiguration, names: TowerNames) {
    self.configuration = configuration
    self.names = names
  }

  /// A text tower that is not understood is no reason to refuse the vision tower: embeddings may be given instead.
  mutating func takeText(_ read: () throws(CheckpointError) -> TextConfiguration) throws(CheckpointError) {
    do { configuration.text = try read() } catch  where error.rule == .unsupported { textFault = error }
  }
}
