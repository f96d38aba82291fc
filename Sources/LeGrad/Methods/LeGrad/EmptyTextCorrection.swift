import Failures
import VisionTransformer

/// SigLIP's suppression of patches that a text without content lights up as well (methods §1.4, step 5).
///
/// Its own relevance, scaled to [0, 1] over the grid, tells which: where that exceeds the threshold, every prompt's
/// relevance is zero before it becomes a heatmap. The public code does so by default.
public struct EmptyTextCorrection: Sendable {
  /// The text that the public code takes.
  public static let text = "a photo of a"
  public static let standardThreshold: Float = 0.8

  /// One unit row.
  public let embedding: TextEmbeddings
  public let threshold: Float

  public init(embedding: TextEmbeddings, threshold: Float = standardThreshold) throws(LeGradError) {
    guard embedding.count == 1 else {
      throw LeGradError(.input, "the embedding of the text without content is one row, not \(embedding.count)")
    }
    guard threshold >= 0, threshold <= 1 else {
      throw LeGradError(.usage, "the correction's threshold is from 0 to 1, not \(threshold)")
    }
    self.embedding = embedding
    self.threshold = threshold
  }

  /// The cells of a grid whose relevance to the text without content is too high.
  func suppressedCells(_ relevance: [Float]) -> [Int] {
    Heatmap.scaled(relevance).enumerated().filter { $0.element > threshold }.map(\.offset)
  }
}

extension Explainer {
  /// The correction by the public code's text, through the model's own tokenizer and text tower.
  public func correction(
    threshold: Float = EmptyTextCorrection.standardThreshold
  ) throws(LeGradError) -> EmptyTextCorrection {
    try EmptyTextCorrection(embedding: encode([EmptyTextCorrection.text]), threshold: threshold)
  }
}

extension Model {
  /// Whether the public code corrects this model's maps by the text without content: SigLIP's.
  public var takesCorrection: Bool {
    let vision = configuration.vision
    return vision.pooling == .map && !vision.hasProjection && vision.leadingTokens == 0 && configuration.classes == nil
  }
}
