/// Nearly normal numbers by counter: the value at an index is a function of the index, so that any part can be made
/// alone and in any order.
public struct RandomNumbers: Sendable {
  private let key: UInt64

  public init(seed: UInt64, name: String) {
    // FNV-1a of the name, mixed with the seed.
    let hash = name.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    key = splitMix64(hash ^ splitMix64(seed &+ 0x9E37_79B9_7F4A_7C15))
  }

  /// The values at `indices`: sums of four uniform numbers, which is a bell of the given mean and standard deviation
  /// that ends at 3.46 deviations.
  public func values(_ indices: Range<Int>, mean: Float, deviation: Float) -> [Float] {
    // A sum of four numbers from 0 to 65,535 has mean 131,070 and variance 4 · (65,536² − 1) / 12.
    let scale = deviation / 37_837.2270
    return unsafe [Float](unsafeUninitializedCapacity: indices.count) { buffer, count in
      var counter = key &+ UInt64(indices.lowerBound) &* 0x9E37_79B9_7F4A_7C15
      for index in 0..<indices.count {
        counter &+= 0x9E37_79B9_7F4A_7C15
        let bits = splitMix64(counter)
        let pairs = (bits & 0xFFFF_0000_FFFF) &+ (bits >> 16 & 0xFFFF_0000_FFFF)
        let sum = Int32(truncatingIfNeeded: pairs &+ pairs >> 32)
        unsafe buffer[index] = Float(sum &- 131_070) * scale + mean
      }
      count = indices.count
    }
  }
}
