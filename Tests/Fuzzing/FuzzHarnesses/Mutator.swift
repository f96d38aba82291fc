import Randomness

/// Changes inputs a little, the same changes for a seed on every machine: what stands in for libFuzzer in builds
/// without it.
package struct Mutator {
  private let seeds: [[UInt8]]
  private let words: [[UInt8]]
  private let maximumLength: Int
  private var random: SeededGenerator

  package init(_ harness: Harness, seed: UInt64) throws {
    seeds = try harness.seeds()
    words = harness.words.map { Array($0.utf8) }
    maximumLength = harness.maximumLength
    random = SeededGenerator(seed: seed)
  }

  /// One of the seeds, changed in 1 to 4 places.
  package mutating func next() -> [UInt8] {
    var bytes = seeds.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...4, using: &random) { change(&bytes) }
    return Array(bytes.prefix(maximumLength))
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, place + Int.random(in: 1...16, using: &random))
    switch Int.random(in: 0..<9, using: &random) {
    case 0 where !bytes.isEmpty: bytes[min(place, bytes.count - 1)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1 where !bytes.isEmpty: bytes[min(place, bytes.count - 1)] = UInt8.random(in: 0...255, using: &random)
    case 2: bytes.removeSubrange(place..<end)
    case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
    case 4: bytes.removeSubrange(place...)
    case 5:
      let extreme: UInt8 = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
      for index in place..<min(end, place + 8) { bytes[index] = extreme }
    case 6:
      guard let other = seeds.randomElement(using: &random), !other.isEmpty else { return }
      let start = Int.random(in: 0..<other.count, using: &random)
      bytes.replaceSubrange(place..<end, with: other[start..<min(other.count, start + 64)])
    case 7: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
    default:
      guard let word = words.randomElement(using: &random) else { return }
      bytes.replaceSubrange(Bool.random(using: &random) ? place..<place : place..<end, with: word)
    }
  }
}
