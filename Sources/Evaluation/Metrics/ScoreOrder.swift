/// The order of scores, by a radix sort: an image has 100,000 of them and a data set thousands of images.
enum ScoreOrder {
  /// Indices of `scores`, ties by ascending index. NaN counts as 0, and −0 equals 0.
  static func indices(of scores: [Float], descending: Bool) -> [Int] {
    precondition(scores.count <= Int(UInt32.max), "an index fits in 32 bits")
    var entries = scores.indices.map { index in
      let key = rank(scores[index])
      return UInt64(descending ? ~key : key) << 32 | UInt64(index)
    }
    // Least significant digit first; each pass keeps the order of the one before.
    var sorted = [UInt64](repeating: 0, count: entries.count)
    for shift in stride(from: UInt64(32), to: 64, by: digitBits) {
      pass(entries, into: &sorted, shift: shift)
      swap(&entries, &sorted)
    }
    return entries.map { Int($0 & 0xFFFF_FFFF) }
  }

  private static let digitBits = 11

  /// An integer that orders as the number does.
  private static func rank(_ score: Float) -> UInt32 {
    // Adding 0 turns −0 into 0.
    let bits = (score.isNaN ? 0 : score + 0).bitPattern
    return bits >> 31 == 0 ? bits | 1 << 31 : ~bits
  }

  private static func pass(_ entries: [UInt64], into sorted: inout [UInt64], shift: UInt64) {
    let mask = UInt64(1) << UInt64(digitBits) - 1
    var starts = [Int](repeating: 0, count: 1 << digitBits)
    for entry in entries { starts[Int(entry >> shift & mask)] += 1 }
    var start = 0
    for digit in starts.indices {
      let count = starts[digit]
      starts[digit] = start
      start += count
    }
    for entry in entries {
      let digit = Int(entry >> shift & mask)
      sorted[starts[digit]] = entry
      starts[digit] += 1
    }
  }
}
