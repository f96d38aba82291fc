import Texts

/// HTML character references, read the two ways OpenCLIP's cleaning reads them.
enum HTMLEntities {
  private typealias Table = [String: [Unicode.Scalar]]  // Keys of this program

  /// Names without their semicolon; `bare` holds those that may stand without one.
  private static let (standard, bare) = parse(HTMLEntityNames.standard)
  private static let (upperCased, _) = parse(HTMLEntityNames.upperCased)
  private static let longestBareName = bare.keys.map(\.utf8.count).max() ?? 0

  private static func parse(_ words: String) -> (all: Table, bare: Table) {
    var all: Table = [:]
    var bare: Table = [:]
    for word in words.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x0A }) {
      guard let mark = word.firstIndex(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "?") }) else { continue }
      let name = String(Substring(word[..<mark]))
      let points = Substring(word[word.index(after: mark)...]).split(separator: "+")
      let scalars = points.compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }
      all[name] = scalars
      if word[mark] == UInt8(ascii: "?") { bare[name] = scalars }
    }
    return (all, bare)
  }

  /// Replaces every reference by the rules of the HTML standard as Python's `html.unescape` applies them:
  /// semicolons may be missing, and of an unknown name the longest known beginning counts.
  static func unescapeAll(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replaceReferences(text) { text, start in numericReference(text, at: start) ?? namedReference(text, at: start) }
  }

  /// Replaces only unmistakable references, with their semicolon, as ftfy's `unescape_html` does;
  /// that reads all-capital spellings such as `&EACUTE;` too.
  static func unescapeStrict(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replaceReferences(text) { text, start in
      let numeric = start < text.count && text[start] == "#"
      let nameStart = numeric ? start + 1 : start
      let end = text[nameStart...].prefix(25).prefix { isASCIIAlphanumeric($0) }.endIndex
      guard (1...24).contains(end - nameStart), end < text.count, text[end] == ";" else { return nil }
      if numeric {
        guard let reference = numericReference(text, at: start), reference.end == end + 1, reference.scalars != [";"]
        else { return nil }
        return reference
      }
      let name = string(text[nameStart..<end])
      return (standard[name] ?? upperCased[name]).map { ($0, end + 1) }
    }
  }

  private typealias Reference = (scalars: [Unicode.Scalar], end: Int)

  /// Copies `text`, asking `read` at every ampersand for a reference that begins right after it.
  private static func replaceReferences(
    _ text: [Unicode.Scalar], read: ([Unicode.Scalar], Int) -> Reference?
  ) -> [Unicode.Scalar] {
    guard text.contains("&") else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      Work.add(1)
      if text[index] == "&", let reference = read(text, index + 1) {
        result += reference.scalars
        index = reference.end
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  /// `#123;` or `#x7B;` at `start`, the semicolon optional.
  private static func numericReference(_ text: [Unicode.Scalar], at start: Int) -> Reference? {
    guard start + 1 < text.count, text[start] == "#" else { return nil }
    let isHex = text[start + 1] == "x" || text[start + 1] == "X"
    let digitsStart = isHex ? start + 2 : start + 1
    var end = digitsStart
    var value: UInt32 = 0
    while end < text.count, let digit = digitValue(text[end], radix: isHex ? 16 : 10) {
      // Held just beyond the last code point: a longer number stays out of range.
      Work.add(1)
      value = min(value * (isHex ? 16 : 10) + digit, 0x11_0000)
      end += 1
    }
    guard end > digitsStart else { return nil }
    if end < text.count, text[end] == ";" { end += 1 }
    return (scalars(ofNumber: value), end)
  }

  /// What a numeric reference stands for: Windows-1252 for the C1 range, nothing for controls and noncharacters,
  /// U+FFFD for zero, surrogates and anything out of range.
  private static func scalars(ofNumber value: UInt32) -> [Unicode.Scalar] {
    switch value {
    case 0: return ["\u{FFFD}"]
    case 0x80...0x9F: return [Windows1252.scalar(ofControl: value)]
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
    default:
      guard let scalar = Unicode.Scalar(value) else { return ["\u{FFFD}"] }
      return value & 0xFFFE == 0xFFFE ? [] : [scalar]
    }
  }

  /// A name at `start`. An unknown name is consumed unchanged, ampersand included, as `html.unescape` does.
  private static func namedReference(_ text: [Unicode.Scalar], at start: Int) -> Reference? {
    let name = text[start...].prefix(32).prefix { !"\t\n\u{0C} <&#;".unicodeScalars.contains($0) }
    guard !name.isEmpty else { return nil }
    let hasSemicolon = name.endIndex < text.count && text[name.endIndex] == ";"
    let end = hasSemicolon ? name.endIndex + 1 : name.endIndex
    if name.allSatisfy(\.isASCII), let scalars = (hasSemicolon ? standard : bare)[string(name)] {
      return (scalars, end)
    }
    let ascii = name.prefix { $0.isASCII }
    var length = min(ascii.count, longestBareName, end - start - 1)
    while length >= 2 {
      Work.add(length)
      if let scalars = bare[string(ascii.prefix(length))] {
        return (scalars + text[(start + length)..<end], end)
      }
      length -= 1
    }
    return (["&"] + text[start..<end], end)
  }

  private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  private static func isASCIIAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "0"..."9", "A"..."Z", "a"..."z": true
    default: false
    }
  }

  private static func digitValue(_ scalar: Unicode.Scalar, radix: UInt32) -> UInt32? {
    switch scalar {
    case "0"..."9": scalar.value - 0x30
    case "a"..."f" where radix == 16: scalar.value - 0x61 + 10
    case "A"..."F" where radix == 16: scalar.value - 0x41 + 10
    default: nil
    }
  }
}

/// The letters and signs that Windows-1252 has where Latin-1 has the C1 controls.
enum Windows1252 {
  private static let table: [Unicode.Scalar] = Array(
    "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ".unicodeScalars)

  /// - Parameter value: in 0x80...0x9F. The five places that the code page leaves empty stand for themselves.
  static func scalar(ofControl value: UInt32) -> Unicode.Scalar { table[Int(value - 0x80)] }
}
