/// A sum of powers of a variable, none with a negative factor, since each is a cost.
struct GrowthLaw: Equatable, Sendable {
  /// Factors of the variable to the power of their index.
  let factors: [Double]
  /// The largest deviation of a point, as a share of the law's value.
  let largestDeviation: Double

  /// The law whose squared relative deviations are least; nil for fewer points than it has factors, or for points that
  /// are not positive.
  init?(degree: Int, _ points: [(x: Double, y: Double)]) {
    let count = degree + 1
    guard points.count >= count, points.allSatisfy({ $0.x > 0 && $0.y > 0 && $0.x.isFinite && $0.y.isFinite }) else {
      return nil
    }
    var best: (factors: [Double], squares: Double)?
    // All choices of powers that take part: where a factor would be negative, the best law is without it.
    for choice in 1..<(1 << count) {
      let powers = (0..<count).filter { choice & (1 << $0) != 0 }
      guard let some = Self.solve(powers, points), some.allSatisfy({ $0 >= 0 }) else { continue }
      var factors = [Double](repeating: 0, count: count)
      for (power, factor) in zip(powers, some) { factors[power] = factor }
      let squares = points.reduce(0) { sum, point in
        let deviation = Self.value(factors, at: point.x) / point.y - 1
        return sum + deviation * deviation
      }
      if squares < best?.squares ?? .infinity { best = (factors, squares) }
    }
    guard let best else { return nil }
    factors = best.factors
    largestDeviation = points.reduce(0) { max($0, abs($1.y / Self.value(best.factors, at: $1.x) - 1)) }
  }

  func value(at x: Double) -> Double { Self.value(factors, at: x) }

  /// The share of the highest power in the law's value.
  func highestShare(at x: Double) -> Double {
    let highest = (1..<factors.count).reduce(factors[factors.count - 1]) { product, _ in product * x }
    return highest / value(at: x)
  }

  private static func value(_ factors: [Double], at x: Double) -> Double {
    factors.reversed().reduce(0) { $0 * x + $1 }
  }

  /// Least squares of `1 = Σ factor · x^power / y` by its normal equations; nil where they have no single answer.
  private static func solve(_ powers: [Int], _ points: [(x: Double, y: Double)]) -> [Double]? {
    let largest = points.reduce(0) { max($0, $1.x) }
    func columns(_ point: (x: Double, y: Double)) -> [Double] {
      powers.map { power in (0..<power).reduce(1 / point.y) { product, _ in product * (point.x / largest) } }
    }
    // Rows of the equations, the right side last.
    var rows = [[Double]](repeating: [Double](repeating: 0, count: powers.count + 1), count: powers.count)
    for point in points {
      let columns = columns(point)
      for i in powers.indices {
        for j in powers.indices { rows[i][j] += columns[i] * columns[j] }
        rows[i][powers.count] += columns[i]
      }
    }
    for pivot in powers.indices {
      guard let row = (pivot..<powers.count).max(by: { abs(rows[$0][pivot]) < abs(rows[$1][pivot]) }),
        abs(rows[row][pivot]) > 1e-12 * rows.reduce(0, { max($0, abs($1[pivot])) }), rows[row][pivot] != 0
      else { return nil }
      rows.swapAt(pivot, row)
      for other in powers.indices where other != pivot {
        let share = rows[other][pivot] / rows[pivot][pivot]
        for column in pivot...powers.count { rows[other][column] -= share * rows[pivot][column] }
      }
    }
    return powers.indices.map { index in
      (0..<powers[index]).reduce(rows[index][powers.count] / rows[index][index]) { factor, _ in factor / largest }
    }
  }
}
