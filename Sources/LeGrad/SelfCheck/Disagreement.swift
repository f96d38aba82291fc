public import Compute

/// How far an explanation is from the same one computed by a backend that is trusted.
public struct Disagreement: Sendable, Equatable {
  /// What was compared.
  public enum Measure: String, Sendable {
    /// The largest difference of relevance, as a share of its maximum.
    case relevance
    /// The largest difference of the heatmaps in [0, 1].
    case heatmap
  }

  public let measure: Measure
  public let error: Double
  /// The largest error that the precision allows.
  public let bound: Double

  public var isTolerable: Bool { error <= bound }

  init(_ measure: Measure, error: Double, precision: Precision) {
    self.measure = measure
    self.error = error
    bound = Self.bound(precision)
  }

  /// The largest error that a precision allows.
  static func bound(_ precision: Precision) -> Double {
    switch precision {
    case .f32, .bf16Split: 1e-4
    case .f16: 3e-3
    case .bf16: 2e-2
    }
  }
}

extension Explanation {
  /// Compares with the same explanation in float32: relevance where this one was computed in float32 or as near, else
  /// heatmaps.
  public func disagreement(with reference: Explanation, precision: Precision) -> Disagreement {
    precondition(
      reference.relevance.count == relevance.count && reference.inputHeight == inputHeight
        && reference.inputWidth == inputWidth, "explanations of different shapes")
    guard !precision.isNearFloat32 else {
      return Disagreement(.relevance, error: relativeError(relevance, reference.relevance), precision: precision)
    }
    let error = (0..<prompts).reduce(0.0) { largest, prompt in
      let (mine, theirs) = (heatmap(prompt: prompt).values, reference.heatmap(prompt: prompt).values)
      return zip(mine, theirs).reduce(largest) { max($0, abs(Double($1.0) - Double($1.1))) }
    }
    return Disagreement(.heatmap, error: error, precision: precision)
  }

  /// The largest difference as a share of the largest expected magnitude.
  private func relativeError(_ actual: [Float], _ expected: [Float]) -> Double {
    var (largest, scale) = (0.0, 0.0)
    for (value, wanted) in zip(actual, expected) {
      // Written so that what is not a number counts as the largest difference.
      let difference = abs(Double(value) - Double(wanted))
      if !(difference <= largest) { largest = difference.isNaN ? .infinity : difference }
      scale = max(scale, abs(Double(wanted)))
    }
    return largest == 0 ? 0 : largest / scale
  }
}
