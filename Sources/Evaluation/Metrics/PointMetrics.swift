package import LeGrad
import Texts

/// A place in an image of which people said whether a class is there.
package struct LabelledPoint: Equatable, Sendable {
  /// In [0, 1] of the image's width and height, from the top left.
  package let x, y: Double
  package let isPositive: Bool

  /// - Precondition: both coordinates lie in [0, 1].
  package init(x: Double, y: Double, isPositive: Bool) {
    precondition((0...1).contains(x) && (0...1).contains(y), "a point lies in the image")
    self.x = x
    self.y = y
    self.isPositive = isPositive
  }
}

/// Points of one class in one image (methods §6.2).
package struct PointStatistics: Codable, Equatable, Sendable {
  package let label: String
  package let truePositives, falsePositives, falseNegatives: Int
}

extension PointStatistics {
  var isPlausible: Bool { [truePositives, falsePositives, falseNegatives].allSatisfy(labelRange.contains) }

  /// Looks `points` of one class up in the map of the squashed image, at pixel
  /// `(min(⌊y·H⌋, H − 1), min(⌊x·W⌋, W − 1))`. The class is predicted where the heatmap is strictly above `threshold`;
  /// NaN predicts nothing.
  package init(label: String, points: [LabelledPoint], heatmap: Heatmap, threshold: Float) {
    var (truePositives, falsePositives, falseNegatives) = (0, 0, 0)
    for point in points {
      let row = min(Int(point.y * Double(heatmap.height)), heatmap.height - 1)
      let column = min(Int(point.x * Double(heatmap.width)), heatmap.width - 1)
      switch (heatmap.values[row * heatmap.width + column] > threshold, point.isPositive) {
      case (true, true): truePositives += 1
      case (true, false): falsePositives += 1
      case (false, true): falseNegatives += 1
      case (false, false): break
      }
    }
    self.init(
      label: label, truePositives: truePositives, falsePositives: falsePositives, falseNegatives: falseNegatives)
  }
}

/// A data set's figures of foreground points, as fractions: `IoU = TP / (TP + FP + FN)` (methods §6.2).
///
/// Where TP + FP + FN is 0, all points being rightly found negative, there is no IoU: such a class, or such a pair of
/// image and class, is left out of the mean.
package struct PointSummary: Equatable, Sendable {
  /// Counts are added up per class over the data set; mean of the classes' IoU.
  package let perClass: Double
  /// Mean of the IoU of every pair of image and class.
  package let perImage: Double

  /// Reduces in the order given, in float64: classes in the order in which they first come. Nil if nothing has an IoU.
  package init?(_ images: [[PointStatistics]]) {
    var places: TextTable<Int> = [:]
    var sums: [(found: Double, all: Double)] = []
    var pairs = (sum: 0.0, count: 0)
    for statistics in images.joined() {
      let found = Double(statistics.truePositives)
      let all = found + Double(statistics.falsePositives) + Double(statistics.falseNegatives)
      guard all > 0 else { continue }
      pairs.sum += found / all
      pairs.count += 1
      let place = places[statistics.label] ?? sums.count
      if place == sums.count {
        places[statistics.label] = place
        sums.append((0, 0))
      }
      sums[place].found += found
      sums[place].all += all
    }
    guard pairs.count > 0 else { return nil }
    perClass = sums.reduce(0) { $0 + $1.found / $1.all } / Double(sums.count)
    perImage = pairs.sum / Double(pairs.count)
  }
}
