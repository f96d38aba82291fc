import Glibc

/// Where positive numbers lie on a length by their logarithms.
struct LogScale: Equatable {
  /// The ends of the scale, further apart than the numbers.
  let lower, upper: Double
  let length: Double

  /// - Parameter values: positive; a scale of 1 to 10 if there are none.
  init(_ values: [Double], length: Double) {
    self.length = length
    let (least, most) = (values.min() ?? 1, values.max() ?? 10)
    // Numbers that hardly differ lie in the middle of a factor of four, where their noise does not look like growth.
    let spare = max(1.15, (2 / (most / least).squareRoot()))
    lower = least / spare
    upper = most * spare
  }

  func place(of value: Double) -> Double { length * log(value / lower) / log(upper / lower) }

  /// Round numbers on the scale, up to about seven: powers of ten, or 1, 2 and 5 of each where those would be few.
  var ticks: [Double] {
    let (first, last) = (Int(log10(lower).rounded(.down)), Int(log10(upper).rounded(.up)))
    let steps: [Double] = log10(upper / lower) < 3 ? [1, 2, 5] : [1]
    let stride = max(1, (last - first) / 6)
    return (first...last).filter { ($0 - first) % stride == 0 }.flatMap { exponent in
      steps.map { $0 * pow(10, Double(exponent)) }
    }.filter { $0 >= lower && $0 <= upper }
  }
}
