import Testing

@testable import Texts

/// Bytes that count how often one of them is looked at.
private struct CountedBytes: Collection {
  final class Counter { var visits = 0 }

  let bytes: [UInt8]
  let counter: Counter

  var startIndex: Int { 0 }
  var endIndex: Int { bytes.count }
  func index(after index: Int) -> Int { index + 1 }
  subscript(index: Int) -> UInt8 {
    counter.visits += 1
    return bytes[index]
  }
}

/// A letter and marks whose order an equal text would have in another way.
private func marks(_ count: Int) -> String {
  "a" + String(String.UnicodeScalarView((0..<count).map { $0.isMultiple(of: 2) ? "\u{301}" : "\u{316}" }))
}

@Suite struct TextsTests {
  /// The work of a dictionary grows with the bytes of its keys, not with the square of their marks.
  @Test(arguments: [1_000, 4_000, 16_000]) func everyByteIsVisitedAFewTimes(count: Int) {
    let counter = CountedBytes.Counter()
    let texts = (0..<8).map { "\($0)" + marks(count) }
    let bytes = texts.reduce(0) { $0 + $1.utf8.count }
    let keys = texts.map { ByteKey(bytes: CountedBytes(bytes: Array($0.utf8), counter: counter)) }
    var numbers: [ByteKey<CountedBytes>: Int] = [:]
    for (number, key) in keys.enumerated() { numbers[key] = number }
    // A growing dictionary hashes its keys again.
    #expect(counter.visits <= 4 * bytes, "\(counter.visits) visits of \(bytes) bytes")
    counter.visits = 0
    for (number, key) in keys.enumerated() { #expect(numbers[key] == number) }
    // One hash, one comparison of both sides, and first bytes of others that lie in the way.
    #expect(counter.visits <= 3 * bytes + 100, "\(counter.visits) visits of \(bytes) bytes")
  }

  @Test func textsThatLookAlikeAreTwo() {
    #expect("\u{E9}" == "e\u{301}")
    var table: TextTable<Int> = ["\u{E9}": 1]
    #expect(table["e\u{301}"] == nil)
    #expect(table.updateValue(2, forKey: "e\u{301}") == nil)
    #expect(table["\u{E9}"] == 1 && table["e\u{301}"] == 2 && table.count == 2)
    #expect(table.keys.map { Array($0.utf8) } == [Array("e\u{301}".utf8), Array("\u{E9}".utf8)])
    #expect(table.removeValue(forKey: "e\u{301}") == 2 && table.count == 1)
    #expect(Set<TextKey>(["\u{E9}", "e\u{301}", "\u{E9}"]).count == 2)
    #expect("a".isSame(as: "a") && !"\u{E9}".isSame(as: "e\u{301}") && "e\u{301}".precedes("\u{E9}"))
  }

  /// What a key hashes does not depend on how its bytes lie.
  @Test func equalKeysHaveEqualHashes() {
    func hash(_ key: some Hashable) -> Int {
      var hasher = Hasher()
      hasher.combine(key)
      return hasher.finalize()
    }
    let text = marks(100)
    let key = ByteKey(bytes: CountedBytes(bytes: Array(text.utf8), counter: .init()))
    #expect(hash(key) == hash(TextKey(text)))
  }

  @Test func linesEndWhereTheirEndIs() {
    for text in ["", "a", "a\n", "a\r\nb", "\u{B}a\u{C}\r\u{85}b\u{2028}c\u{2029}", "\n\r\n\r"] {
      let expected = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
      #expect(text.lines().map(String.init) == expected, "\(Array(text.utf8))")
    }
    #expect("a\n\u{301}b".lines().map { Array($0.utf8) } == [Array("a".utf8), Array("\u{301}b".utf8)])
  }

  @Test func placesOfTexts() throws {
    let text = "a{ {}\u{301}{}"
    let place = try #require(text.firstPlace(of: "{}"))
    #expect(text.utf8.distance(from: text.startIndex, to: place.lowerBound) == 3)
    #expect(text[place].isSame(as: "{}") && text[place.upperBound...].isSame(as: "\u{301}{}"))
    #expect("a{".firstPlace(of: "{}") == nil)
    #expect("a_\u{301}_".replacing(scalar: "_", with: " ").isSame(as: "a \u{301} "))
  }
}
