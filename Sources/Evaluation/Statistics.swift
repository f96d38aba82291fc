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

extension SegmentationStatistics {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      correct: try container.decode(Int.self, forKey: .correct),
      labelled: try container.decode(Int.self, forKey: .labelled),
      intersections: try container.decode([Int].self, forKey: .intersections),
      unions: try container.decode([Int].self, forKey: .unions),
      averagePrecision: try container.decode(Double.self, forKey: .averagePrecision))
    let counts = 0...labelLimit
    let areInRange =
      counts.contains(labelled) && (0...max(0, labelled)).contains(correct)
      && intersections.count == 2 && unions.count == 2
      && zip(intersections, unions).allSatisfy { $0 >= 0 && $0 <= $1 && $1 <= labelled }
      && (0...1).contains(averagePrecision)
    guard areInRange else { throw implausible("statistics of a segmentation", container.codingPath) }
  }
}

/// Points of one class in one image (methods §6.2).
public struct PointStatistics: Codable, Equatable, Sendable {
  public let label: String
  public let truePositives: Int
  public let falsePositives: Int
  public let falseNegatives: Int
}

extension PointStatistics {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      label: try container.decode(String.self, forKey: .label),
      truePositives: try container.decode(Int.self, forKey: .truePositives),
      falsePositives: try container.decode(Int.self, forKey: .falsePositives),
      falseNegatives: try container.decode(Int.self, forKey: .falseNegatives))
    guard [truePositives, falsePositives, falseNegatives].allSatisfy((0...labelLimit).contains) else {
      throw implausible("statistics of points", container.codingPath)
    }
  }
}

/// Whether the class is still found after pixels turned black (methods §6.3).
public struct PerturbationStatistics: Codable, Equatable, Sendable {
  /// Without perturbation.
  public let isHit: Bool
  /// At 10 %, 20 %, … 90 % of the pixels, most relevant first.
  public let positiveHits: [Bool]
  /// Least relevant first.
  public let negativeHits: [Bool]

  /// - Precondition: a hit per step, both ways.
  public init(isHit: Bool, positiveHits: [Bool], negativeHits: [Bool]) {
    precondition(positiveHits.count == PerturbationSteps.shares.count, "a hit per step")
    precondition(negativeHits.count == PerturbationSteps.shares.count, "a hit per step")
    self.isHit = isHit
    self.positiveHits = positiveHits
    self.negativeHits = negativeHits
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    isHit = try container.decode(Bool.self, forKey: .isHit)
    positiveHits = try container.decode([Bool].self, forKey: .positiveHits)
    negativeHits = try container.decode([Bool].self, forKey: .negativeHits)
    guard [positiveHits, negativeHits].allSatisfy({ $0.count == PerturbationSteps.shares.count }) else {
      throw implausible("hits of a perturbation", container.codingPath)
    }
  }
}

/// What one image can hold; sums over any data set then stay exact in float64 and far from overflow.
private let labelLimit = 1 << 32

private func implausible(_ what: String, _ path: [any CodingKey]) -> DecodingError {
  .dataCorrupted(.init(codingPath: path, debugDescription: "the \(what) contradict each other"))
}
