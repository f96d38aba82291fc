/// A foreground mask against a mask of ground truth (methods §6.1).
public struct SegmentationStatistics: Codable, Equatable, Sendable {
  /// Pixels that agree, and all pixels.
  public let correct: Int
  public let labelled: Int
  /// Of background and foreground.
  public let intersections: [Int]
  public let unions: [Int]
  /// scikit-learn's average precision of the 2·H·W entries.
  public let averagePrecision: Double
}

/// Points of one class in one image (methods §6.2).
public struct PointStatistics: Codable, Equatable, Sendable {
  public let label: String
  public let truePositives: Int
  public let falsePositives: Int
  public let falseNegatives: Int
}

/// Whether the class is still found after pixels turned black (methods §6.3).
public struct PerturbationStatistics: Codable, Equatable, Sendable {
  /// Without perturbation.
  public let isHit: Bool
  /// At 10 %, 20 %, … 90 % of the pixels, most relevant first.
  public let positiveHits: [Bool]
  /// Least relevant first.
  public let negativeHits: [Bool]
}
