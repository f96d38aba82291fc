/// Which heatmap values count as foreground.
package enum SegmentationThreshold: String, Codable, Sendable, CaseIterable {
  /// Above the heatmap's mean, as the public code of the protocol has it.
  case mean
  /// Above 0.5, as LeGrad's paper says of its masks.
  case half = "0.5"
}

/// A foreground mask against a mask of ground truth (methods §6.1).
package struct SegmentationStatistics: Codable, Equatable, Sendable {
  /// Pixels that agree, and all pixels.
  package let correct, labelled: Int
  /// Pixels of background and of foreground.
  package let intersections, unions: [Int]
  /// scikit-learn's average precision of the 2·H·W entries.
  package let averagePrecision: Double
}

extension SegmentationStatistics {
  var isPlausible: Bool {
    labelRange.contains(labelled) && (0...max(0, labelled)).contains(correct)
      && intersections.count == 2 && unions.count == 2
      && zip(intersections, unions).allSatisfy { $0 >= 0 && $0 <= $1 && $1 <= labelled }
      && (0...1).contains(averagePrecision)
  }

  /// Compares a heatmap in [0, 1] with a mask of 0 (background) and 1 (foreground), both row-major and of one size.
  ///
  /// Foreground is predicted where the heatmap is strictly above the threshold. The entries of the average precision
  /// are `1 − heatmap` against `mask = 0`, and `heatmap` against `mask = 1`.
  ///
  /// NaN is background and scores 0 both ways. So does every pixel of a flat map: min–max, 0/0 there, makes it NaN in
  /// the public code.
  /// - Precondition: as many pixels in both, at least one.
  package init(heatmap: [Float], mask: [UInt8], threshold: SegmentationThreshold) {
    precondition(heatmap.count == mask.count && !mask.isEmpty, "a mask value per pixel")
    let isFlat = heatmap.allSatisfy { $0 == heatmap[0] }
    let limit =
      switch threshold {
      case .mean: heatmap.reduce(0) { $0 + Double($1) } / Double(heatmap.count)
      case .half: 0.5
      }
    var (background, foreground, wrong) = (0, 0, 0)
    for (value, label) in zip(heatmap, mask) {
      switch (!isFlat && Double(value) > limit, label != 0) {
      case (false, false): background += 1
      case (true, true): foreground += 1
      default: wrong += 1
      }
    }
    let scores = heatmap.map { isFlat || $0.isNaN ? 0 : 1 - $0 } + heatmap.map { isFlat || $0.isNaN ? 0 : $0 }
    let truths = mask.map { $0 == 0 } + mask.map { $0 != 0 }
    self.init(
      correct: background + foreground, labelled: mask.count,
      intersections: [background, foreground],
      unions: [background + wrong, foreground + wrong],
      averagePrecision: AveragePrecision.value(scores: scores, truths: truths))
  }
}

/// A data set's figures, as fractions (methods §6.1).
package struct SegmentationSummary: Equatable, Sendable {
  /// `Σ correct / Σ labelled` over all images.
  package let pixelAccuracy: Double
  /// Mean over background and foreground of `Σ intersection / Σ union` over all images; 0 for one that is nowhere, as
  /// in the public code.
  package let mIoU: Double
  /// Mean of the images' average precisions.
  package let mAP: Double

  /// Reduces in the order given, in float64; nil without rows.
  package init?(_ rows: some Sequence<SegmentationStatistics>) {
    var (images, correct, labelled, precision) = (0, 0.0, 0.0, 0.0)
    var intersections = [0.0, 0.0]
    var unions = [0.0, 0.0]
    for row in rows {
      images += 1
      correct += Double(row.correct)
      labelled += Double(row.labelled)
      precision += row.averagePrecision
      for region in 0..<2 {
        intersections[region] += Double(row.intersections[region])
        unions[region] += Double(row.unions[region])
      }
    }
    guard images > 0, labelled > 0 else { return nil }
    pixelAccuracy = correct / labelled
    mIoU = zip(intersections, unions).reduce(0) { $0 + ($1.1 > 0 ? $1.0 / $1.1 : 0) } / 2
    mAP = precision / Double(images)
  }
}

/// How well scores put what is true first.
enum AveragePrecision {
  /// `Σ (R_n − R_{n−1}) P_n` over the distinct scores from the highest on, where `P_n` and `R_n` are precision and
  /// recall of the entries that score as much or more: scikit-learn's `average_precision_score`, without interpolation.
  /// 0 if nothing is true.
  static func value(scores: [Float], truths: [Bool]) -> Double {
    let order = ScoreOrder.indices(of: scores, descending: true)
    let total = truths.count { $0 }
    guard total > 0 else { return 0 }
    var sum = 0.0
    var found = 0
    var foundBefore = 0
    for (place, index) in order.enumerated() {
      if truths[index] { found += 1 }
      // Entries of one score come in together.
      if place + 1 < order.count, scores[order[place + 1]] == scores[index] { continue }
      sum += Double(found - foundBefore) / Double(total) * (Double(found) / Double(place + 1))
      foundBefore = found
    }
    // Rounding can lead past 1.
    return min(1, sum)
  }
}
