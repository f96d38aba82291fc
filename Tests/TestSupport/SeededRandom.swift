import Foundation
import Randomness

/// Random numbers that depend on a seed and a position alone, so that a test's input is the same on every machine
/// and in every order of execution.
public struct SeededRandom: Sendable, RandomNumberGenerator {
  private var generator: SeededGenerator

  public init(seed: UInt64) {
    // Seeds that follow each other are not to give numbers that do.
    var first = SeededGenerator(seed: seed)
    generator = SeededGenerator(seed: first.next())
  }

  public mutating func next() -> UInt64 { generator.next() }

  /// Evenly spread in `0 ..< 1`.
  public mutating func uniform() -> Double { generator.uniform() }

  /// Mean 0, variance 1 (Box and Muller).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }
}
