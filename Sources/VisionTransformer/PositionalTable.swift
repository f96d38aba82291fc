/// Positional embeddings at another grid than the checkpoint's.
///
/// The table is read as a picture of `width` channels and resampled as PyTorch's `interpolate(mode="bicubic",
/// antialias=True, align_corners=False)` does: Keys' cubic with a = −0.5 (not the −0.75 that PyTorch uses without
/// antialias), along x, then along y. Weights and sums are in Double. Always start from the checkpoint's own table:
/// resampling twice loses detail.
public enum PositionalTable {
  /// - Parameter table: `[gridHeight, gridWidth, width]`, without rows of class or prefix tokens.
  /// - Returns: `[newHeight, newWidth, width]`; the same numbers if the grid stays.
  /// - Precondition: all sizes are positive and `table` holds `gridHeight * gridWidth * width` numbers.
  public static func resample(
    _ table: [Double], gridHeight: Int, gridWidth: Int, width: Int, newHeight: Int, newWidth: Int
  ) -> [Double] {
    precondition(width > 0 && table.count == gridHeight * gridWidth * width, "the numbers must fill the table")
    if newHeight == gridHeight && newWidth == gridWidth {
      return table
    }
    let columns = (0..<newWidth).map { taps(of: $0, from: gridWidth, to: newWidth) }
    let rows = (0..<newHeight).map { taps(of: $0, from: gridHeight, to: newHeight) }
    var narrowed: [Double] = []
    narrowed.reserveCapacity(gridHeight * newWidth * width)
    for y in 0..<gridHeight {
      for tap in columns {
        narrowed += tap.sum(of: table, start: (y * gridWidth + tap.low) * width, step: width, count: width)
      }
    }
    var resampled: [Double] = []
    resampled.reserveCapacity(newHeight * newWidth * width)
    let rowLength = newWidth * width
    for tap in rows {
      resampled += tap.sum(of: narrowed, start: tap.low * rowLength, step: rowLength, count: rowLength)
    }
    return resampled
  }

  /// The same for a float32 table.
  public static func resample(
    _ table: [Float], gridHeight: Int, gridWidth: Int, width: Int, newHeight: Int, newWidth: Int
  ) -> [Float] {
    resample(
      table.map { Double($0) }, gridHeight: gridHeight, gridWidth: gridWidth, width: width, newHeight: newHeight,
      newWidth: newWidth
    ).map { Float($0) }
  }

  /// The cells `low..<low + weights.count` that make one new cell.
  private struct Taps {
    let low: Int
    let weights: [Double]

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

  private static func taps(of target: Int, from sourceCount: Int, to targetCount: Int) -> Taps {
    precondition(sourceCount > 0 && targetCount > 0, "sizes are positive")
    let scale = Double(sourceCount) / Double(targetCount)
    let stretch = max(scale, 1)
    let centre = (Double(target) + 0.5) * scale
    let low = max(0, Int(centre - 2 * stretch + 0.5))
    let high = min(sourceCount, Int(centre + 2 * stretch + 0.5))
    let values = (low..<high).map { cubic((Double($0) - centre + 0.5) / stretch) }
    let total = values.reduce(0, +)
    return Taps(low: low, weights: values.map { $0 / total })
  }

  private static func cubic(_ distance: Double) -> Double {
    let a = -0.5
    let x = abs(distance)
    if x < 1 {
      return ((a + 2) * x - (a + 3)) * x * x + 1
    }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
  }
}
