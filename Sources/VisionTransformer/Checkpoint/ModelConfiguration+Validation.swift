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
    where size % vision.patchSize != 0 {
      throw failure(place, expected: "a multiple of the patch size \(vision.patchSize)", found: "\(size)")
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
    case .classToken, .average, .unpooled: break
    case .map:
      guard embeddingWidth == vision.width else {
        throw failure(
          "embedding width", "the vision tower's width \(vision.width), as its pooler does not project",
          "\(embeddingWidth)")
      }
    case .queries(_, let heads):
      guard embeddingWidth % heads == 0 else {
        throw failure("pooler heads", "a number of heads that divides the width \(embeddingWidth)", "\(heads)")
      }
    }
  }
}

/// A configuration and whether it declares LayerScale, which the weights then must hold.
struct ReadConfiguration {
  var configuration: ModelConfiguration
  var visionLayerScale = false
  var textLayerScale = false
}
