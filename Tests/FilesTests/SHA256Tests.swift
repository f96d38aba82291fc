import CSHA256
import Testing

@testable import Files

struct SHA256Tests {
  /// Hashes of the bytes `(7 i + 3) mod 256`, around every boundary of blocks and padding.
  static let vectors: [(Int, String)] = [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (1, "084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5"),
    (55, "e7313d333c272e639f790978283f9eb392e843d0f29b7016828bb1daa4aac70b"),
    (56, "4324d65f3c103567f5589c710bc08f8523f929a9272e3af36fc968e52abc6c27"),
    (63, "81c80242132f230c3bd41b3e63bbcff16107339549214a99614ff26664625055"),
    (64, "39e3d7b6b5d075d37d053ad89b24b41bef4f3c29760c84447cab3f3be1882241"),
    (65, "aacca6ff74fdbb296d165a45cecfa04e5127bc008770fbbdd48006f2d2fae95e"),
    (119, "9ce7368e4daf32341631b492e80359dc9f594b48453cd0dd5bf0b19279cc177e"),
    (120, "7836b787757e95e58b3ca5aec90b1b004e8deba1e50e9675af9cabf1a13a04b5"),
    (1000, "1e9bc38cbf860b9ec31918b065f9b52476c549a782e0e7990bed8ce3868d2371"),
  ]

  @Test(arguments: vectors) func hashesAreThoseOfTheStandard(count: Int, expected: String) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
    for pieces in [[count], [count / 3, count - count / 3], [count / 2, 0, count - count / 2]] {
      var hash = SHA256()
      var start = 0
      for piece in pieces {
        unsafe bytes[start..<start + piece].withUnsafeBytes { unsafe hash.update($0) }
        start += piece
      }
      #expect(hash.finish() == expected)
    }
  }

  @Test func theStandardsExampleHolds() {
    var hash = SHA256()
    unsafe Array("abc".utf8).withUnsafeBytes { unsafe hash.update($0) }
    #expect(hash.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: [1, 2, 17]) func theProcessorsInstructionsGiveTheSameState(blocks: Int) {
    let bytes = (0..<blocks * 64).map { UInt8(truncatingIfNeeded: $0 * 131 + $0 / 7) }
    var state = (0..<8).map { UInt32($0) &* 0x9E37_79B9 }
    var portable = state
    unsafe legrad_sha256_compress(&state, bytes, blocks)
    unsafe legrad_sha256_compress_portable(&portable, bytes, blocks)
    #expect(state == portable)
  }
}
