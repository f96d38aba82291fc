import Foundation

/// Random numbers that depend on a seed and a position alone, so that a test's input is the same on every machine
/// and in every order of execution.
///
/// Number `n` of a seed is SplitMix64's mix of the two (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014).
public struct SeededRandom: Sendable, RandomNumberGenerator {
  private let key: UInt64
  private var counter: UInt64 = 0

  public init(seed: UInt64) { key = Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15) }

  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  public mutating func next() -> UInt64 {
    counter &+= 1
    return Self.mix(key &+ counter &* 0x9e37_79b9_7f4a_7c15)
  }

  /// Evenly spread in `0 ..< 1`.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Mean 0, variance 1 (Box and Muller).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }
}
