/// How new pixels are made from old ones; the names and the results are those of Pillow up to version 12 on 8-bit RGB.
public enum ResizeFilter: String, Sendable, CaseIterable {
  case nearest
  case bilinear
  case bicubic

  /// Half the filter's width in source pixels, when enlarging.
  var support: Double {
    switch self {
    case .nearest: 0.5
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The filter's value at a distance in source pixels. Bicubic is Keys' with a = −0.5.
  func value(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .nearest:
      return x < 0.5 ? 1 : 0
    case .bilinear:
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 {
        return ((a + 2) * x - (a + 3)) * x * x + 1
      }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
  }
}

/// The source pixels that make one target pixel, and their shares, which sum to one. Where the picture shrinks, the filter
/// is stretched, so that every source pixel counts.
struct FilterTaps {
  /// The first source pixel.
  let low: Int
  let weights: [Double]

  init(of target: Int, from sourceCount: Int, to targetCount: Int, _ filter: ResizeFilter) {
    let scale = Double(sourceCount) / Double(targetCount)
    let stretch = max(scale, 1)
    let inverseStretch = 1 / stretch
    let support = filter.support * stretch
    let centre = (Double(target) + 0.5) * scale
    let first = max(0, Int(centre - support + 0.5))
    let values = (first..<min(sourceCount, Int(centre + support + 0.5))).map {
      filter.value((Double($0) - centre + 0.5) * inverseStretch)
    }
    let sum = values.reduce(0, +)
    (low, weights) = (first, values.map { $0 / sum })
  }
}

/// Which source pixels make each target pixel along one axis, with weights in units of 2⁻²².
struct FixedPointAxis {
  static let fractionBits: Int32 = 22

  /// First source pixel of each target pixel.
  private(set) var lows: [Int] = []
  /// `weights[ends[i-1]..<ends[i]]` belong to target pixel i.
  private(set) var ends: [Int] = []
  private(set) var weights: [Int32] = []

  /// The source pixels that any target pixel reads.
  var span: Range<Int> {
    let last = lows.indices.last ?? 0
    return (lows.min() ?? 0)..<(lows[last] + ends[last] - (last == 0 ? 0 : ends[last - 1]))
  }

  /// The axis from `sourceCount` to `targetCount` pixels, of which only those in `kept` are made.
  init(from sourceCount: Int, to targetCount: Int, kept: Range<Int>, filter: ResizeFilter) {
    if sourceCount == targetCount {
      append(identity: kept)
    } else if filter == .nearest {
      append(nearest: kept, scale: Double(sourceCount) / Double(targetCount), sourceCount: sourceCount)
    } else {
      for target in kept { append(FilterTaps(of: target, from: sourceCount, to: targetCount, filter)) }
    }
  }

  private mutating func append(identity kept: Range<Int>) {
    lows = Array(kept)
    ends = Array(1...kept.count)
    weights = Array(repeating: 1 << Self.fractionBits, count: kept.count)
  }

  /// The position is summed step by step, since Pillow's rounding comes from doing so.
  private mutating func append(nearest kept: Range<Int>, scale: Double, sourceCount: Int) {
    var position = scale * 0.5
    for target in 0..<kept.upperBound {
      if target >= kept.lowerBound {
        lows.append(min(Int(position), sourceCount - 1))
      }
      position += scale
    }
    ends = Array(1...kept.count)
    weights = Array(repeating: 1 << Self.fractionBits, count: kept.count)
  }

  private mutating func append(_ taps: FilterTaps) {
    let one = Double(1 << Self.fractionBits)
    lows.append(taps.low)
    weights += taps.weights.map { Int32(($0 * one).rounded(.toNearestOrAwayFromZero)) }
    ends.append(weights.count)
  }
}
