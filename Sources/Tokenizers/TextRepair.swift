import Texts

/// The repairs of ftfy 6's `fix_text`, except for mojibake.
///
/// Per line: HTML references, C1 controls read as Windows-1252, Latin ligatures, full and half widths, curly quotes,
/// line breaks, terminal escapes, control characters, NFC; again until nothing changes.
enum TextRepair {
  /// Text that unfolds one layer per round (`&amp;amp;amp;…`) could ask for as many rounds as it has letters;
  /// ftfy grants them, this does not.
  static let maximumRounds = 16

  /// ftfy works on lines, and on pieces of this many scalars of longer ones.
  private static let longestSegment = 1_000_000

  static func repaired(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    // A literal `<` means real HTML: from that line on, references are left for the caller.
    var unescapesHTML = true
    var start = 0
    while start < text.count {
      let line = text[start...].prefix(longestSegment)
      let end = line.firstIndex(of: "\n").map { $0 + 1 } ?? line.endIndex
      let segment = Array(text[start..<end])
      if segment.contains("<") { unescapesHTML = false }
      result += repairedSegment(segment, unescapesHTML: unescapesHTML)
      start = end
    }
    return result
  }

  private static func repairedSegment(_ segment: [Unicode.Scalar], unescapesHTML: Bool) -> [Unicode.Scalar] {
    var text = segment
    for _ in 0..<maximumRounds {
      let before = text
      Work.add(text.count)
      if unescapesHTML { text = HTMLEntities.unescapeStrict(text) }
      text = withPlainCharacters(text)
      text = withPlainLineBreaks(text)
      text = withoutTerminalEscapes(text)
      text.removeAll(where: isUnwantedControl)
      text = UnicodeText.composed(text)
      if text == before { break }
    }
    return text
  }

  /// C1 controls, ligatures, widths and quotes, one scalar at a time.
  private static func withPlainCharacters(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { $0.value >= 0x80 }) else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for scalar in text {
      switch scalar.value {
      case 0x80...0x9F:
        result.append(straightQuote(Windows1252.scalar(ofControl: scalar.value)))
      case 0x3000:
        result.append(" ")
      case 0xFF01...0xFFEF:
        result += UnicodeText.compatibilityComposed(scalar)
      default:
        if let letters = letters(ofLigature: scalar) {
          result += letters.unicodeScalars
        } else {
          result.append(straightQuote(scalar))
        }
      }
    }
    return result
  }

  private static func straightQuote(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x02BC, 0x2018...0x201B: "'"
    case 0x201C...0x201F: "\""
    default: scalar
    }
  }

  /// Typographic ligatures, and the digraphs of old encodings; not letters like æ that are meant.
  private static func letters(ofLigature scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0x0132: "IJ"
    case 0x0133: "ij"
    case 0x0149: "'n"
    case 0x01F1: "DZ"
    case 0x01F2: "Dz"
    case 0x01F3: "dz"
    case 0x01C4: "D\u{017D}"
    case 0x01C5: "D\u{017E}"
    case 0x01C6: "d\u{017E}"
    case 0x01C7: "LJ"
    case 0x01C8: "Lj"
    case 0x01C9: "lj"
    case 0x01CA: "NJ"
    case 0x01CB: "Nj"
    case 0x01CC: "nj"
    case 0xFB00: "ff"
    case 0xFB01: "fi"
    case 0xFB02: "fl"
    case 0xFB03: "ffi"
    case 0xFB04: "ffl"
    case 0xFB05: "\u{017F}t"
    case 0xFB06: "st"
    default: nil
    }
  }

  private static func withPlainLineBreaks(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var previous: Unicode.Scalar?
    for scalar in text {
      switch scalar.value {
      case 0x0A where previous == "\r": break
      case 0x0D, 0x85, 0x2028, 0x2029: result.append("\n")
      default: result.append(scalar)
      }
      previous = scalar
    }
    return result
  }

  /// Removes `ESC [ digits and semicolons letter`, as in coloured terminal output.
  private static func withoutTerminalEscapes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("\u{1B}") else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      if text[index] == "\u{1B}", index + 1 < text.count, text[index + 1] == "[" {
        var end = index + 2
        while end < text.count, text[end] == ";" || UnicodeText.isDecimalDigit(text[end]) { end += 1 }
        Work.add(end - index)
        if end < text.count, ("a"..."z").contains(text[end]) || ("A"..."Z").contains(text[end]) {
          index = end + 1
          continue
        }
      }
      result.append(text[index])
      index += 1
    }
    return result
  }

  /// C0 except for white space, DEL, deprecated Arabic controls, annotations, object replacement, byte order mark.
  private static func isUnwantedControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }
}
