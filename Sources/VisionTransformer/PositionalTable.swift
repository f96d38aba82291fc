/// Positional embeddings at another grid than the checkpoint's.
///
/// The table is read as a picture of `width` channels and resampled as PyTorch's `interpolate` does with
/// `align_corners=False`, along x, then along y; weights and sums are in Double. Always start from the checkpoint's own
/// table: resampling twice loses detail.
public enum PositionalTable {
  /// - Parameters:
  ///   - table: `[from.height, from.width, width]`, without rows of leading tokens.
  ///   - resampling: by which filter.
  /// - Returns: `[to.height, to.width, width]`; the same numbers if the grid stays.
  /// - Precondition: `table` holds `from.count * width` numbers.
  public static func resample(
    _ table: [Double], from: Grid, width: Int, to: Grid,
    _ resampling: LearnedPositions.Resampling = .bicubic(antialias: true)
  ) -> [Double] {
    precondition(width > 0 && table.count == from.count * width, "the numbers must fill the table")
    if from == to { return table }
    let columns = (0..<to.width).map { Taps(resampling, of: $0, from: from.width, to: to.width) }
    let rows = (0..<to.height).map { Taps(resampling, of: $0, from: from.height, to: to.height) }
    var narrowed: [Double] = []
    narrowed.reserveCapacity(from.height * to.width * width)
    for y in 0..<from.height {
      for tap in columns {
        narrowed += tap.sum(of: table, start: (y * from.width + tap.low) * width, step: width, count: width)
      }
    }
    var resampled: [Double] = []
    resampled.reserveCapacity(to.count * width)
    let rowLength = to.width * width
    for tap in rows {
      resampled += tap.sum(of: narrowed, start: tap.low * rowLength, step: rowLength, count: rowLength)
    }
    return resampled
  }

  /// The same for a float32 table.
  public static func resample(
    _ table: [Float], from: Grid, width: Int, to: Grid,
    _ resampling: LearnedPositions.Resampling = .bicubic(antialias: true)
  ) -> [Float] {
    resample(table.map { Double($0) }, from: from, width: width, to: to, resampling).map { Float($0) }
  }
}

/// The cells `low..<low + weights.count` that make one new cell.
private struct Taps {
  let low: Int
  let weights: [Double]

  init(_ resampling: LearnedPositions.Resampling, of target: Int, from sourceCount: Int, to targetCount: Int) {
    let scale = Double(sourceCount) / Double(targetCount)
    let centre = (Double(target) + 0.5) * scale
    switch resampling {
    case .bicubic(antialias: true):
      self.init(centre, reach: 2, stretch: max(scale, 1), from: sourceCount) { cubic($0, a: -0.5) }
    case .bilinear:
      self.init(centre, reach: 1, stretch: max(scale, 1), from: sourceCount) { max(0, 1 - abs($0)) }
    case .bicubic(antialias: false):
      self.init(unfiltered: centre - 0.5, from: sourceCount)
    }
  }

  /// With antialias: the filter is stretched where cells become fewer, and its weights inside the table are scaled to a
  /// sum of one.
  private init(
    _ centre: Double, reach: Double, stretch: Double, from sourceCount: Int, _ filter: (Double) -> Double
  ) {
    low = max(0, Int(centre - reach * stretch + 0.5))
    let high = min(sourceCount, Int(centre + reach * stretch + 0.5))
    let values = (low..<high).map { filter((Double($0) - centre + 0.5) / stretch) }
    let total = values.reduce(0, +)
    weights = values.map { $0 / total }
  }

  /// Without: four cells, of which those outside the table are its border's.
  private init(unfiltered place: Double, from sourceCount: Int) {
    let first = place.rounded(.down) - 1
    let cells = (0..<4).map { first + Double($0) }
    let inside = cells.map { Int(min(max($0, 0), Double(sourceCount - 1))) }
    low = inside[0]
    var weights = [Double](repeating: 0, count: inside[3] - inside[0] + 1)
    for (cell, index) in zip(cells, inside) { weights[index - inside[0]] += cubic(place - cell, a: -0.75) }
    self.weights = weights
  }

  /// Σ_k weights[k] · values[start + k·step ..< … + count]
  func sum(of values: [Double], start: Int, step: Int, count: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    for (k, weight) in weights.enumerated() {
      let first = start + k * step
      for i in 0..<count {
        sums[i] += weight * values[first + i]
      }
    }
    return sums
  }
}

/// Keys' cubic, of a distance in cells.
private func cubic(_ distance: Double, a: Double) -> Double {
  let x = abs(distance)
  if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}
