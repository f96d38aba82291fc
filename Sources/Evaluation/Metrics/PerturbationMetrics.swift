/// Which pixels turn black, and how many at a time (methods §6.3).
package enum PerturbationSteps {
  /// The shares of the pixels that are black at each step, which starts from the clean image.
  package static let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

  /// `⌊pixels · share⌋` of each step, the product taken in float64 as the public code takes it.
  package static func pixelCounts(of pixels: Int) -> [Int] { shares.map { Int(Double(pixels) * $0) } }

  /// The order in which pixels turn black; ties by ascending index. NaN counts as 0.
  package static func order(_ heatmap: [Float], mostRelevantFirst: Bool) -> [Int] {
    ScoreOrder.indices(of: heatmap, descending: mostRelevantFirst)
  }
}

/// Whether the class is still found after pixels turned black (methods §6.3).
package struct PerturbationStatistics: Codable, Equatable, Sendable {
  /// Without perturbation.
  package let isHit: Bool
  /// At 10 %, 20 %, … 90 % of the pixels, most relevant first.
  package let positiveHits: [Bool]
  /// Least relevant first.
  package let negativeHits: [Bool]

  /// - Precondition: a hit per step, both ways.
  package init(isHit: Bool, positiveHits: [Bool], negativeHits: [Bool]) {
    precondition(positiveHits.count == PerturbationSteps.shares.count, "a hit per step")
    precondition(negativeHits.count == PerturbationSteps.shares.count, "a hit per step")
    self.isHit = isHit
    self.positiveHits = positiveHits
    self.negativeHits = negativeHits
  }

  var isPlausible: Bool {
    [positiveHits, negativeHits].allSatisfy { $0.count == PerturbationSteps.shares.count }
  }
}

/// A data set's figures, as fractions (methods §6.3).
package struct PerturbationSummary: Equatable, Sendable {
  /// Hits among the images, nothing perturbed.
  package let accuracy: Double
  /// Area under the accuracy over the shares 0, 0.1, … 0.9 by the trapezoidal rule, most relevant pixels first: at most
  /// 0.9, the lower the better.
  package let positiveAUC: Double
  /// Least relevant pixels first: the higher the better.
  package let negativeAUC: Double

  /// Nil without rows.
  package init?(_ rows: some Sequence<PerturbationStatistics>) {
    var images = 0
    var hits = 0
    var positive = [Int](repeating: 0, count: PerturbationSteps.shares.count)
    var negative = positive
    for row in rows {
      images += 1
      hits += row.isHit ? 1 : 0
      for step in PerturbationSteps.shares.indices {
        positive[step] += row.positiveHits[step] ? 1 : 0
        negative[step] += row.negativeHits[step] ? 1 : 0
      }
    }
    guard images > 0 else { return nil }
    accuracy = Double(hits) / Double(images)
    positiveAUC = Self.area(under: [hits] + positive, images: images)
    negativeAUC = Self.area(under: [hits] + negative, images: images)
  }

  /// `hits` at the shares 0, 0.1, … 0.9.
  private static func area(under hits: [Int], images: Int) -> Double {
    let shares = [0] + PerturbationSteps.shares
    var area = 0.0
    for step in 1..<hits.count {
      let mean = Double(hits[step] + hits[step - 1]) / (2 * Double(images))
      area += (shares[step] - shares[step - 1]) * mean
    }
    return area
  }
}
