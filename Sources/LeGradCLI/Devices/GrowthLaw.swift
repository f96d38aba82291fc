import Glibc

/// How a cost grows: `start + share · nᵖ`, fitted to what was measured.
struct GrowthLaw: Equatable, Sendable {
  let start, share, exponent: Double
  /// The root of the mean square of what is off, relative to what was measured.
  let error: Double

  /// What each step of the search adds to the exponent; the last digit that is said of it.
  private static let step = 0.01
  private static let exponents = 10...300

  /// The law that is off by the least, relatively: a point weighs the same whatever its size. Nil for fewer than three
  /// different `n`, and for numbers that are not above zero.
  init?(_ points: [(n: Double, value: Double)]) {
    guard points.allSatisfy({ $0.n > 0 && $0.value > 0 && $0.n.isFinite && $0.value.isFinite }),
      Set(points.map(\.n)).count >= 3
    else { return nil }
    var best: GrowthLaw?
    for hundredths in Self.exponents {
      let law = Self.fitted(points, exponent: Double(hundredths) * Self.step)
      if best.map({ law.error < $0.error - 1e-12 }) ?? true { best = law }
    }
    guard let best else { return nil }
    self = best
  }

  private init(start: Double, share: Double, exponent: Double, points: [(n: Double, value: Double)]) {
    (self.start, self.share, self.exponent) = (start, share, exponent)
    let squares = points.map { point in
      let off = (start + share * pow(point.n, exponent)) / point.value - 1
      return off * off
    }
    error = (squares.reduce(0, +) / Double(points.count)).squareRoot()
  }

  /// Least squares of `start / y + share · nᵖ / y = 1`, neither below zero.
  private static func fitted(_ points: [(n: Double, value: Double)], exponent: Double) -> GrowthLaw {
    var (aa, ab, bb, a, b) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for point in points {
      let (one, power) = (1 / point.value, pow(point.n, exponent) / point.value)
      aa += one * one
      ab += one * power
      bb += power * power
      a += one
      b += power
    }
    let determinant = aa * bb - ab * ab
    let candidates: [(Double, Double)] = [
      determinant > 1e-14 * aa * bb
        ? ((a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant) : (0, b / bb),
      (0, b / bb), (a / aa, 0),
    ]
    let laws = candidates.filter { $0.0 >= 0 && $0.1 >= 0 }.map {
      GrowthLaw(start: $0.0, share: $0.1, exponent: exponent, points: points)
    }
    return laws.min { $0.error < $1.error } ?? GrowthLaw(start: a / aa, share: 0, exponent: exponent, points: points)
  }

  func value(at n: Double) -> Double { start + share * pow(n, exponent) }

  /// Whether from the least `n` to the most next to nothing is added.
  func isConstant(from first: Double, to last: Double) -> Bool { value(at: last) < 1.1 * value(at: first) }
}
