import Texts

/// SentencePiece's normalisation table: the longest known byte sequence at each place is replaced.
///
/// The table is a double-array trie of 32-bit units (as Darts-clone makes it) and the replacements, each ended by a
/// zero byte. All of it is checked on reading, so that no text can lead outside, in circles, or to a text that is out of
/// proportion to it.
struct PrecompiledCharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]

  /// - Parameter blob: the trie's length in bytes as four little-endian bytes, the trie, the replacements.
  /// - Returns: nil for bytes that are no such table.
  init?(_ blob: [UInt8]) {
    func word(_ start: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(blob[start + $1]) << (8 * UInt32($1)) }
    }
    guard blob.count >= 4 else { return nil }
    let trieBytes = Int(word(0))
    guard trieBytes > 0, trieBytes % 1024 == 0, trieBytes < blob.count - 4, blob.last == 0 else { return nil }
    units = (0..<trieBytes / 4).map { word(4 + 4 * $0) }
    replacements = Array(blob[(4 + trieBytes)...])
    for (position, unit) in units.enumerated() {
      // A unit with the top bit set is a value and leads nowhere: it says where its replacement starts.
      if unit >> 31 == 1 {
        guard Int(unit & 0x7FFF_FFFF) < replacements.count else { return nil }
      } else {
        guard (position ^ Self.offset(unit)) | 0xFF < units.count else { return nil }
      }
    }
    guard isSound else { return nil }
  }

  /// Bytes that are replaced at once, and that replace them. Unicode's longest are 12 and 33.
  static let longestKey = 64
  static let longestReplacement = 1_024

  /// Whether no way through the table leads back to where it was or is longer than a key may be, and every replacement
  /// is short. Ways may meet: equal ends of keys are kept once.
  private var isSound: Bool {
    // Where the zero byte behind each place is.
    var ends = [Int](repeating: replacements.count, count: replacements.count + 1)
    for place in replacements.indices.reversed() { ends[place] = replacements[place] == 0 ? place : ends[place + 1] }
    // By the place that children are told from: 1 and the bytes of the longest way on, 0 where it is not known yet.
    let onTheWay: UInt8 = .max
    var rests = [UInt8](repeating: 0, count: units.count)
    var way: [(base: Int, byte: Int, rest: UInt8)] = []
    func enter(_ base: Int) {
      rests[base] = onTheWay
      way.append((base, 1, 1))
    }
    enter(Self.offset(units[0]))
    while let last = way.last {
      let top = way.count - 1
      guard last.byte < 256 else {
        rests[last.base] = last.rest
        way.removeLast()
        if top > 0 { way[top - 1].rest = max(way[top - 1].rest, last.rest + 1) }
        continue
      }
      way[top].byte += 1
      let place = last.base ^ last.byte
      let unit = units[place]
      guard unit & 0x8000_00FF == UInt32(last.byte) else { continue }
      let next = place ^ Self.offset(unit)
      if unit >> 8 & 1 == 1 {
        let start = Int(units[next] & 0x7FFF_FFFF)
        guard start < replacements.count, ends[start] - start <= Self.longestReplacement else { return false }
      }
      guard rests[next] != onTheWay, way.count + max(0, Int(rests[next]) - 1) <= Self.longestKey else { return false }
      if rests[next] == 0 { enter(next) } else { way[top].rest = max(last.rest, rests[next] + 1) }
    }
    return true
  }

  /// `text` with every longest match replaced; text is UTF-8.
  func normalized(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var position = 0
    while position < text.count {
      if let match = longestMatch(in: text, at: position) {
        result += replacements[match.replacement...].prefix { $0 != 0 }
        position += match.length
      } else {
        let length = min(UTF8Length.of(text[position]), text.count - position)
        result += text[position..<position + length]
        position += length
      }
    }
    return result
  }

  private func longestMatch(in text: [UInt8], at start: Int) -> (length: Int, replacement: Int)? {
    var match: (length: Int, replacement: Int)?
    var node = Self.offset(units[0])
    for position in start..<text.count {
      Work.add(1)
      node ^= Int(text[position])
      let unit = units[node]
      // The label of a child is its byte, and the top bit is clear.
      guard unit & 0x8000_00FF == UInt32(text[position]) else { break }
      node ^= Self.offset(unit)
      if unit >> 8 & 1 == 1 {
        let value = Int(units[node] & 0x7FFF_FFFF)
        guard value < replacements.count else { break }
        match = (position - start + 1, value)
      }
    }
    return match
  }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }
}

/// How many bytes a character takes, by its first.
enum UTF8Length {
  static func of(_ lead: UInt8) -> Int {
    switch lead {
    case 0xC0...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xFF: 4
    default: 1
    }
  }
}
