/// How well scores put what is true first.
enum AveragePrecision {
  /// `Σ (R_n − R_{n−1}) P_n` over the distinct scores from the highest on, where `P_n` and `R_n` are precision and recall
  /// of the entries that score as much or more: scikit-learn's `average_precision_score`, without interpolation. 0 if
  /// nothing is true.
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
