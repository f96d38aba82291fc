/// Resampling of maps of numbers, as opposed to pictures.
public enum MapResampling {
  /// Bilinear resampling of `[height, width]` to `[toHeight, toWidth]`, as PyTorch's
  /// `interpolate(mode="bilinear", align_corners=False)`: target X reads source position (X + ½)·width/toWidth − ½, at
  /// least 0; past the last cell the value stays. Meant for enlarging: when shrinking, cells are skipped, not averaged.
  /// - Precondition: all sizes are positive and `map` holds `height * width` numbers.
  public static func enlarge(_ map: [Float], height: Int, width: Int, toHeight: Int, toWidth: Int) -> [Float] {
    precondition(map.count == height * width, "the numbers must fill the map")
    let columns = BilinearAxis(from: width, to: toWidth)
    let rows = BilinearAxis(from: height, to: toHeight)
    var enlarged: [Float] = []
    enlarged.reserveCapacity(toHeight * toWidth)
    var blended = [Float](repeating: 0, count: width)
    for y in 0..<toHeight {
      rows.blendRow(y, of: map, width: width, into: &blended)
      for x in 0..<toWidth {
        enlarged.append(columns.sample(x, of: blended))
      }
    }
    return enlarged
  }

  /// Nearest-neighbour resampling of `[height, width]` to `[toHeight, toWidth]`, the value that Pillow's resize takes.
  /// - Precondition: all sizes are positive and `map` holds `height * width` values.
  public static func nearest(_ map: [UInt8], height: Int, width: Int, toHeight: Int, toWidth: Int) -> [UInt8] {
    precondition(map.count == height * width, "the values must fill the map")
    let columns = FixedPointAxis(from: width, to: toWidth, kept: 0..<toWidth, filter: .nearest).lows
    let rows = FixedPointAxis(from: height, to: toHeight, kept: 0..<toHeight, filter: .nearest).lows
    return rows.flatMap { row in columns.map { map[row * width + $0] } }
  }
}

/// The two source cells of each target position along one axis, and the weight of the second.
struct BilinearAxis {
  private let low: [Int]
  private let high: [Int]
  private let weight: [Float]

  init(from sourceCount: Int, to targetCount: Int) {
    precondition(sourceCount > 0 && targetCount > 0, "sizes are positive")
    let scale = Double(sourceCount) / Double(targetCount)
    let positions = (0..<targetCount).map { max(0, (Double($0) + 0.5) * scale - 0.5) }
    low = positions.map { min(Int($0), sourceCount - 1) }
    high = low.map { min($0 + 1, sourceCount - 1) }
    weight = zip(positions, low).map { Float($0 - Double($1)) }
  }

  /// Target row `y` of a map, before its columns are resampled.
  func blendRow(_ y: Int, of map: [Float], width: Int, into row: inout [Float]) {
    let first = low[y] * width
    let second = high[y] * width
    let share = weight[y]
    for x in 0..<width {
      row[x] = map[first + x] * (1 - share) + map[second + x] * share
    }
  }

  func sample(_ x: Int, of row: [Float]) -> Float {
    row[low[x]] * (1 - weight[x]) + row[high[x]] * weight[x]
  }
}
