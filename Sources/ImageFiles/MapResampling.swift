internal import CImageCodecs

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
    var blended = [Float](repeating: 0, count: width)
    return unsafe [Float](unsafeUninitializedCapacity: toHeight * toWidth) { enlarged, count in
      for y in 0..<toHeight {
        rows.blendRow(y, of: map, width: width, into: &blended)
        unsafe columns.withPlaces(0..<toWidth) { places in
          unsafe legrad_enlarge_row(blended, places, toWidth, enlarged.baseAddress! + y * toWidth)
        }
      }
      count = toHeight * toWidth
    }
  }

  /// Whether all numbers that `enlarge` would give are one, as `value` takes them. Ends at the first that is another,
  /// mostly in the first row.
  /// - Precondition: as of `enlarge`.
  package static func isFlat(
    _ map: [Float], height: Int, width: Int, toHeight: Int, toWidth: Int, of value: (Float) -> Float
  ) -> Bool {
    precondition(map.count == height * width, "the numbers must fill the map")
    let columns = BilinearAxis(from: width, to: toWidth)
    let rows = BilinearAxis(from: height, to: toHeight)
    var blended = [Float](repeating: 0, count: width)
    var enlarged = [Float](repeating: 0, count: toWidth)
    var first: Float?
    for y in 0..<toHeight {
      rows.blendRow(y, of: map, width: width, into: &blended)
      unsafe columns.withPlaces(0..<toWidth) { places in unsafe legrad_enlarge_row(blended, places, toWidth, &enlarged)
      }
      let expected = first ?? value(enlarged[0])
      guard enlarged.allSatisfy({ value($0) == expected }) else { return false }
      first = expected
    }
    return true
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
  private let low: [Int32]
  private let high: [Int32]
  private let weight: [Float]

  init(from sourceCount: Int, to targetCount: Int) {
    self.init(from: sourceCount, to: targetCount, at: (0..<targetCount).map { Double($0) + 0.5 })
  }

  /// - Parameters:
  ///   - targetCount: what the source's cells are spread over.
  ///   - centres: where on that length there are positions.
  init(from sourceCount: Int, to targetCount: Int, at centres: [Double]) {
    precondition(sourceCount > 0 && targetCount > 0, "sizes are positive")
    let scale = Double(sourceCount) / Double(targetCount)
    let positions = centres.map { max(0, $0 * scale - 0.5) }
    low = positions.map { Int32(min(Int($0), sourceCount - 1)) }
    high = low.map { min($0 + 1, Int32(sourceCount - 1)) }
    weight = zip(positions, low).map { Float($0 - Double($1)) }
  }

  /// Target row `y` of a map, before its columns are resampled.
  func blendRow(_ y: Int, of map: [Float], width: Int, into row: inout [Float]) {
    let first = Int(low[y]) * width
    let second = Int(high[y]) * width
    let share = weight[y]
    for x in 0..<width {
      row[x] = map[first + x] * (1 - share) + map[second + x] * share
    }
  }

  /// Calls `body` with what C needs to know of some of the positions, which stays there for the call.
  func withPlaces(_ range: Range<Int>, _ body: (legrad_axis) -> Void) {
    precondition(range.lowerBound >= 0 && range.upperBound <= low.count, "positions are on the axis")
    unsafe low.withUnsafeBufferPointer { low in
      unsafe high.withUnsafeBufferPointer { high in
        unsafe weight.withUnsafeBufferPointer { weight in
          guard let low = low.baseAddress, let high = high.baseAddress, let weight = weight.baseAddress else { return }
          let start = range.lowerBound
          unsafe body(legrad_axis(low: low + start, high: high + start, weight: weight + start))
        }
      }
    }
  }
}
