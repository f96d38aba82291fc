extension StringProtocol {
  /// What is between line ends (line feed, carriage return or both, and Unicode's others), an empty last line included.
  /// A mark behind a line end is the next line's.
  package func lines() -> [Self.SubSequence] {
    var lines: [Self.SubSequence] = []
    let scalars = unicodeScalars
    var (start, place) = (scalars.startIndex, scalars.startIndex)
    while place < scalars.endIndex {
      let scalar = scalars[place]
      var next = scalars.index(after: place)
      if scalar.isLineEnd {
        lines.append(self[start..<place])
        if scalar == "\r", next < scalars.endIndex, scalars[next] == "\n" { next = scalars.index(after: next) }
        start = next
      }
      place = next
    }
    lines.append(self[start...])
    return lines
  }

  /// Where `bytes` of `text` first stand, whatever marks are around them.
  package func firstPlace(of text: some StringProtocol) -> Range<Index>? {
    let wanted = Array(text.utf8)
    let bytes = utf8
    guard let first = wanted.first else { return startIndex..<startIndex }
    var place = bytes.startIndex
    while let found = bytes[place...].firstIndex(of: first) {
      if bytes[found...].starts(with: wanted) { return found..<bytes.index(found, offsetBy: wanted.count) }
      place = bytes.index(after: found)
    }
    return nil
  }

  /// The text with one scalar in place of another, whatever marks are behind it.
  package func replacing(scalar: Unicode.Scalar, with other: Unicode.Scalar) -> String {
    var text = String.UnicodeScalarView()
    for found in unicodeScalars { text.append(found == scalar ? other : found) }
    return String(text)
  }
}

extension Unicode.Scalar {
  /// As `Character.isNewline` has it.
  fileprivate var isLineEnd: Bool {
    switch self {
    case "\u{A}"..."\u{D}", "\u{85}", "\u{2028}", "\u{2029}": true
    default: false
    }
  }
}
