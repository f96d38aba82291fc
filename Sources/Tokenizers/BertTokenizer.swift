import Failures
import Files
import Texts

/// BERT's tokenizer, which CLIPA reads with: words and marks, cut into the longest pieces that the vocabulary has.
///
/// The ids equal those of OpenCLIP's `HFTokenizer` (3.3) with transformers' `BertTokenizer` (5.24): a cleaning, the class
/// token, the pieces, the separator, and the padding. CLIPA makes the separator 0 (`strip_sep_token`).
public struct BertTokenizer: TextTokenizer {
  static let vocabularyName = "vocab.txt"
  /// A vocabulary has 0.2 MB, one of many languages 1 MB.
  private static let limit = 32 << 20

  private let vocabulary: WordPieceVocabulary
  private let words: BertWords
  private let added: AddedTokens
  private let framing: Framing
  private let cleaning: PromptCleaning
  /// The separator that is made 0; nil where it stays.
  private let blanked: Int32?

  private static let parts = [
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
  ]

  /// Reads a `tokenizer.json` and what stands beside it. Where that names `BertTokenizer`, it is the class and its
  /// settings that say how words are made and framed; else tokenizer.json does.
  init(
    document: TokenizerJSON, folder: String, cleaning: PromptCleaning, stripsSeparator: Bool
  ) throws(TokenizerError) {
    let settings = try TokenizerSettings(folder: folder, document: document)
    let isBert = settings.className == "BertTokenizer"
    try self.init(
      WordPieceVocabulary(document: document), isBert ? BertWords(settings) : BertWords(document: document), settings,
      frame: isBert ? nil : TextFrame(document), file: document.file, cleaning: cleaning,
      stripsSeparator: stripsSeparator)
  }

  /// Reads a `vocab.txt`, a token a line, and what stands beside it.
  init(folder: String, cleaning: PromptCleaning, stripsSeparator: Bool) throws(TokenizerError) {
    let file = FileTree.join(folder, Self.vocabularyName)
    let settings = try TokenizerSettings(folder: folder, document: nil)
    let text = try TextFile.read(file, limit: Self.limit)
    try self.init(
      WordPieceVocabulary(
        lines: text, file: file, unknown: settings.content(of: "unk_token", default: "[UNK]")),
      BertWords(settings), settings, frame: nil, file: file, cleaning: cleaning, stripsSeparator: stripsSeparator)
  }

  private init(
    _ vocabulary: WordPieceVocabulary, _ words: BertWords, _ settings: TokenizerSettings, frame: TextFrame?,
    file: String, cleaning: PromptCleaning, stripsSeparator: Bool
  ) throws(TokenizerError) {
    func id(_ token: String) -> Int32? {
      vocabulary.symbols[token] ?? settings.tokens.first { TextKey($0.content) == TextKey(token) }.map { Int32($0.id) }
    }
    func part(_ name: String) -> String { settings.content(of: name, default: Self.parts[name] ?? "") }
    let frame = frame ?? TextFrame(prefix: [part("cls_token")], suffix: [part("sep_token")])
    framing = try frame.framing(
      padding: id(part("pad_token")) ?? 0, sides: settings, file: file, id: id)
    blanked = stripsSeparator ? id(part("sep_token")) : nil
    self.vocabulary = vocabulary
    self.words = words
    self.cleaning = cleaning
    added = AddedTokens(
      settings.addedTokens(parts: Self.parts) { vocabulary.symbols[$0] }, normalize: words.normalized)
  }

  public var name: String { "BERT word pieces" }

  public var idCount: Int { max(vocabulary.symbols.idCount, added.idCount) }

  /// The class token, the ids of the text, the separator, then padding. Longer texts are cut so that the separator, or
  /// what stands for it, comes last.
  /// - Parameter contextLength: the number of ids returned, at least 2.
  public func tokenize(_ text: String, contextLength: Int) -> TokenizedPrompt {
    precondition(contextLength >= 2, "a context holds at least the class token and the separator")
    var ids: [Int32] = []
    for piece in added.pieces(of: cleaning.cleaned(text), normalize: words.normalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let scalars):
        for word in BertWords.split(scalars) { vocabulary.append(word, to: &ids) }
      }
    }
    let prompt = framing.framed(ids, contextLength: contextLength)
    guard let blanked else { return prompt }
    return TokenizedPrompt(
      ids: prompt.ids.map { $0 == blanked ? 0 : $0 }, tokens: prompt.tokens, cut: prompt.cut,
      cutsStart: prompt.cutsStart)
  }
}

/// Pieces of words: those that start one, and those that go on, which `##` marks.
struct WordPieceVocabulary: Sendable {
  let symbols: SymbolTable
  private let starts: SymbolTrie
  private let continuations: SymbolTrie
  private let unknownID: Int32
  /// Longer words are unknown.
  private let longestWord: Int

  private static let mark = "##"
  private static let standardLongestWord = 100

  init(document: TokenizerJSON) throws(TokenizerError) {
    let model = try document.required("model")
    let entries = try model.required("vocab").entries()
    var symbols = SymbolTable(file: document.file, capacity: entries.count)
    for (token, id) in entries { try symbols.add(token, id: try id.integer()) }
    let longest = try model.optional("max_input_chars_per_word")?.integer() ?? Self.standardLongestWord
    guard (1...100_000).contains(longest) else {
      throw model.unexpected("“max_input_chars_per_word” from 1 to 100000", found: "\(longest)")
    }
    try self.init(
      symbols, mark: model.optional("continuing_subword_prefix")?.string() ?? Self.mark,
      unknown: model.optional("unk_token")?.string() ?? "[UNK]", longestWord: longest)
  }

  /// - Parameter lines: a token each, its id the number of the line.
  init(lines: String, file: String, unknown: String) throws(TokenizerError) {
    var lines = lines.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
    if lines.last?.isEmpty == true { lines.removeLast() }
    var symbols = SymbolTable(file: file, capacity: lines.count)
    for (id, line) in lines.enumerated() {
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      try symbols.add(String(Substring(line)), id: id)
    }
    try self.init(symbols, mark: Self.mark, unknown: unknown, longestWord: Self.standardLongestWord)
  }

  private init(
    _ symbols: SymbolTable, mark: String, unknown: String, longestWord: Int
  ) throws(TokenizerError) {
    guard let unknownID = symbols[unknown] else {
      throw TokenizerError(
        .missingSpecialToken, file: symbols.file, expected: "the token \(quotation(unknown)) for unknown words",
        found: "none", remedy: "use the tokenizer of a BERT model")
    }
    var (starts, continuations) = (SymbolTrie(), SymbolTrie())
    let mark = Array(mark.unicodeScalars)
    for (token, id) in symbols.entries {
      let scalars = Array(token.unicodeScalars)
      starts.insert(scalars, number: id)
      if scalars.starts(with: mark) { continuations.insert(scalars[mark.count...], number: id) }
    }
    self.symbols = symbols
    self.starts = starts
    self.continuations = continuations
    self.unknownID = unknownID
    self.longestWord = longestWord
  }

  /// The longest pieces from the left; a word that they do not cover is one unknown token.
  func append(_ word: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
    guard word.count <= longestWord else { return ids.append(unknownID) }
    let count = ids.count
    var position = 0
    while position < word.count {
      guard let piece = (position == 0 ? starts : continuations).longest(in: word, from: position) else {
        ids.removeSubrange(count...)
        return ids.append(unknownID)
      }
      ids.append(piece.number)
      position = piece.end
    }
  }
}

/// How BERT makes words of text: `BertNormalizer` and `BertPreTokenizer` of tokenizers 0.23.
struct BertWords: Sendable {
  private let lowercases: Bool
  private let stripsAccents: Bool
  private let spacesIdeographs: Bool
  private let cleans: Bool

  /// What the settings of transformers' class say.
  init(_ settings: TokenizerSettings) {
    lowercases = settings.doLowerCase ?? true
    stripsAccents = settings.stripsAccents ?? lowercases
    spacesIdeographs = settings.spacesIdeographs ?? true
    cleans = true
  }

  /// What a `tokenizer.json` says.
  init(document: TokenizerJSON) throws(TokenizerError) {
    for (part, type) in [("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")] {
      let found = try document.optional(part)?.required("type").name()
      guard found != type else { continue }
      throw TokenizerError(
        .unsupportedModel, file: document.file, expected: "“\(part).type” “\(type)”",
        found: found.map(quotation) ?? "none", remedy: TokenizerRule.giveEmbeddings)
    }
    let normalizer = try document.required("normalizer")
    func flag(_ name: String) throws(TokenizerError) -> Bool? { try normalizer.optional(name)?.boolean() }
    lowercases = try flag("lowercase") ?? true
    stripsAccents = try flag("strip_accents") ?? lowercases
    spacesIdeographs = try flag("handle_chinese_chars") ?? true
    cleans = try flag("clean_text") ?? true
  }

  func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for scalar in text {
      if cleans, Self.isRemoved(scalar) { continue }
      let clean = cleans && UnicodeText.isWhitespace(scalar) ? " " : scalar
      if spacesIdeographs, Self.isIdeograph(clean) { result += [" ", clean, " "] } else { result.append(clean) }
    }
    if stripsAccents {
      result = UnicodeText.decomposed(result)
      result.removeAll(where: Self.isAccent)
    }
    return lowercases ? UnicodeText.lowercasedEach(result) : result
  }

  /// Words between white space, and each mark alone.
  static func split(_ text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    var start = 0
    func end(_ index: Int) { if start < index { words.append(text[start..<index]) } }
    for (index, scalar) in text.enumerated() {
      if UnicodeText.isWhitespace(scalar) {
        end(index)
        start = index + 1
      } else if isPunctuation(scalar) {
        end(index)
        words.append(text[index...index])
        start = index + 1
      }
    }
    end(text.count)
    return words
  }

  private static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\u{0}", "\u{FFFD}": return true
    case "\t", "\n", "\r": return false
    default: break
    }
    switch scalar.unicode8Category {
    case .control, .format, .privateUse: return true
    default: return false
    }
  }

  private static func isAccent(_ scalar: Unicode.Scalar) -> Bool { scalar.unicode8Category == .nonspacingMark }

  private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "!"..."/", ":"..."@", "["..."`", "{"..."~": return true
    default: break
    }
    switch scalar.unicode8Category {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }
}

extension Unicode.Scalar {
  /// The general category in Unicode 8, whose tables `tokenizers` has for BERT: nothing that is newer is an accent or a
  /// mark there, and a few characters have become something else.
  fileprivate var unicode8Category: Unicode.GeneralCategory {
    switch value {
    case 0x166D, 0x111C9: .otherPunctuation
    case 0x1734, 0x1171E: .nonspacingMark
    case 0x1885, 0x1886: .otherLetter
    case 0xA9BD: .spacingMark
    default: (properties.age?.major ?? 99) <= 8 ? properties.generalCategory : .unassigned
    }
  }
}
