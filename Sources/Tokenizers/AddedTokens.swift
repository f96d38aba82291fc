import Texts

/// A token that is found in text as it stands, before anything is split.
struct AddedToken: Sendable, Equatable {
  var content: String
  var id: Int
  /// Whether the tokenizer frames or fills texts with it.
  var isSpecial = false
  /// Whether it is looked for in normalised text, itself normalised, and not in the text as it was given.
  var isNormalized = true
  /// Whether letters, digits or underscores beside it hide it.
  var isSingleWord = false
  /// Whether white space before it belongs to it.
  var takesSpaceBefore = false
  /// Whether white space behind it belongs to it.
  var takesSpaceBehind = false
}

/// Finds added tokens as `tokenizers` 0.23 does: those that are not normalised in the text as it stands, then the
/// others in each piece between, once that is normalised; the leftmost first, the longest of those that start together.
struct AddedTokens: Sendable {
  enum Piece: Equatable {
    case token(Int32)
    /// Normalised text without an added token.
    case text([Unicode.Scalar])
  }

  typealias Normalization = ([Unicode.Scalar]) -> [Unicode.Scalar]

  private let raw: TokenTrie
  private let normalized: TokenTrie
  /// One more than the largest id; 0 without tokens.
  let idCount: Int

  /// - Parameter normalize: what is done to text between tokens.
  init(_ tokens: [AddedToken], normalize: Normalization) {
    var (raw, normalized) = (TokenTrie(), TokenTrie())
    for token in tokens {
      let content = Array(token.content.unicodeScalars)
      if token.isNormalized { normalized.insert(normalize(content), token) } else { raw.insert(content, token) }
    }
    (self.raw, self.normalized) = (raw, normalized)
    idCount = tokens.map { $0.id + 1 }.max() ?? 0
  }

  func pieces(of text: [Unicode.Scalar], normalize: Normalization) -> [Piece] {
    var pieces: [Piece] = []
    for piece in raw.split(text) {
      guard case .text(let between) = piece else {
        pieces.append(piece)
        continue
      }
      pieces += normalized.split(normalize(between))
    }
    return pieces
  }
}

/// Tokens, and what is left of a text between them.
private struct TokenTrie: Sendable {
  private var trie = SymbolTrie()
  private var tokens: [AddedToken] = []

  mutating func insert(_ content: [Unicode.Scalar], _ token: AddedToken) {
    trie.insert(content, number: Int32(tokens.count))
    tokens.append(token)
  }

  func split(_ text: [Unicode.Scalar]) -> [AddedTokens.Piece] {
    guard !trie.isEmpty, !text.isEmpty else { return text.isEmpty ? [] : [.text(text)] }
    var pieces: [AddedTokens.Piece] = []
    // Where the text begins that no piece holds yet, and where the next match may begin: white space that a token
    // takes along may hold the next one, which is then found all the same.
    var (pending, position) = (0, 0)
    // Where white space ends that a token took along. A token may be white space itself, and would have the rest of a run
    // looked through again at each of its places.
    var spaceEnd = 0
    while position < text.count {
      guard let (number, end) = trie.longest(in: text, from: position) else {
        position += 1
        continue
      }
      let token = tokens[Int(number)]
      let start = position
      position = end
      if token.isSingleWord {
        let isFree = (start == 0 || !text[start - 1].isWord) && (end == text.count || !text[end].isWord)
        guard isFree else { continue }
      }
      var (first, last) = (start, end)
      if token.takesSpaceBefore {
        while first > pending, UnicodeText.isWhitespace(text[first - 1]) { first -= 1 }
      }
      if token.takesSpaceBehind {
        last = max(last, spaceEnd)
        while last < text.count, UnicodeText.isWhitespace(text[last]) { last += 1 }
        Work.add(last - max(end, spaceEnd))
        spaceEnd = last
      }
      if pending < first { pieces.append(.text(Array(text[pending..<first]))) }
      pieces.append(.token(Int32(token.id)))
      pending = last
    }
    if pending < text.count { pieces.append(.text(Array(text[pending...]))) }
    return pieces
  }
}

extension Unicode.Scalar {
  /// What `\w` of Rust's `regex` matches: letters, marks, decimal digits, connectors and joiners (UTS 18, annex C).
  fileprivate var isWord: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }
}
