/// OpenCLIP's cleaning of prompt text (its `clean='lower'`).
///
/// ftfy's repairs, HTML references resolved twice, white space runs made one space and stripped at both ends,
/// lower case. The results equal those of OpenCLIP 2.23.0 with ftfy 6, except that
/// - mojibake (text decoded in the wrong encoding) is not guessed at and stays as it is;
/// - nested HTML references are unfolded through at most ``TextRepair/maximumRounds`` layers;
/// - numbers of any length are read in numeric references, where Python gives up beyond 4300 digits;
/// - classes and case of characters are those of the Unicode versions of utf8proc and the Swift library, which differ
///   from Python's for characters newer than either.
enum TextCleaning {
  static func cleaned(_ text: String) -> [Unicode.Scalar] { UnicodeText.lowercased(tidied(text)) }

  /// OpenCLIP's `clean='whitespace'`: the same in the case that it was given in.
  static func tidied(_ text: String) -> [Unicode.Scalar] { withSingleSpaces(repaired(text)) }

  /// OpenCLIP's `clean='canonicalize'`, which SigLIP was trained with: the same, with `_` made a space and other ASCII
  /// punctuation deleted.
  static func canonicalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    canonicalized(String(String.UnicodeScalarView(text)))
  }

  static func canonicalized(_ text: String) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    for scalar in repaired(text) where !isPunctuation(scalar) { scalars.append(scalar == "_" ? " " : scalar) }
    return withSingleSpaces(UnicodeText.lowercased(scalars))
  }

  /// What transformers' `SiglipTokenizer` makes of text: lower case without ASCII punctuation, `_` being some.
  static func withoutPunctuation(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    withSingleSpaces(UnicodeText.lowercased(text).filter { !isPunctuation($0) && $0 != "_" })
  }

  private static func repaired(_ text: String) -> [Unicode.Scalar] {
    HTMLEntities.unescapeAll(HTMLEntities.unescapeAll(TextRepair.repaired(Array(text.unicodeScalars))))
  }

  /// Python's `string.punctuation` without the underscore.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "_": false
    case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
    default: false
    }
  }

  /// Every run of white space made one space, at the ends as well.
  static func withPlainSpaces(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var wasSpace = false
    for scalar in text {
      let isSpace = UnicodeText.isWhitespace(scalar)
      if !isSpace { result.append(scalar) } else if !wasSpace { result.append(" ") }
      wasSpace = isSpace
    }
    return result
  }

  private static func withSingleSpaces(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for word in text.split(whereSeparator: UnicodeText.isWhitespace) {
      if !result.isEmpty { result.append(" ") }
      result += word
    }
    return result
  }
}
