import Texts

/// Cuts cleaned text into the pieces that are merged separately.
///
/// The pieces are, in this order of preference at each place: an English contraction (`'s 't 're 've 'm 'll 'd`), a run
/// of letters, one number character, a run of characters that are no letter, number or white space. This is CLIP's
/// pattern without its special tokens: `<start_of_text>` in a prompt is split like any other text.
struct WordSplitter: Sequence, IteratorProtocol {
  private let text: [Unicode.Scalar]
  private let ignoresCase: Bool
  private var index = 0

  /// - Parameter ignoresCase: whether the pattern has OpenCLIP's ignore-case flag, which for text in lower case matters
  ///   in two characters; Hugging Face's has none.
  init(_ text: [Unicode.Scalar], ignoresCase: Bool = true) {
    self.text = text
    self.ignoresCase = ignoresCase
  }

  mutating func next() -> ArraySlice<Unicode.Scalar>? {
    while index < text.count {
      let start = index
      if let end = contractionEnd(at: start) {
        index = end
        return text[start..<end]
      }
      switch kind(at: start) {
      case nil, .space:
        index += 1
      case .number:
        index += 1
        return text[start..<index]
      case .letter:
        skip(.letter)
        return text[start..<index]
      case .other:
        skip(.other)
        return text[start..<index]
      }
    }
    return nil
  }

  private mutating func skip(_ wanted: UnicodeText.Kind) {
    let start = index
    while index < text.count, kind(at: index) == wanted { index += 1 }
    Work.add(index - start)
  }

  /// nil for a character that the pattern never matches: under its ignore-case flag, the combining iota (a mark whose
  /// capital is a letter) is neither a letter nor a non-letter, so OpenCLIP drops it.
  private func kind(at index: Int) -> UnicodeText.Kind? {
    text[index].value == 0x345 && ignoresCase ? nil : UnicodeText.kind(text[index])
  }

  /// The end of the contraction at `start`, if there is one. Ignore-case lets the long s (ſ) stand for s.
  private func contractionEnd(at start: Int) -> Int? {
    guard text[start] == "'", start + 1 < text.count else { return nil }
    switch text[start + 1] {
    case "s", "t", "m", "d": return start + 2
    case "\u{017F}" where ignoresCase: return start + 2
    case "r" where follows("e"), "v" where follows("e"), "l" where follows("l"): return start + 3
    default: return nil
    }
    func follows(_ scalar: Unicode.Scalar) -> Bool { start + 2 < text.count && text[start + 2] == scalar }
  }
}
