import FoundationEssentials
import Testing
import Texts

@testable import Tokenizers

/// What is done for texts and vocabularies that were made to be slow: steps are counted, at four sizes.
@Suite struct WorkTests {
  static let sizes = [1_000, 2_000, 4_000, 8_000]

  /// Texts of about `count` characters.
  static let texts: [(name: String, text: @Sendable (Int) -> String)] = [
    ("one long word", { String(repeating: "a", count: $0) }),
    ("a word of two letters", { String(repeating: "ab", count: $0 / 2) }),
    ("marks in turn", { "a" + scalars((0..<$0).map { $0.isMultiple(of: 2) ? "\u{301}" : "\u{316}" }) }),
    ("marks in falling order", { "a" + scalars((0..<$0).map { $0 < 500 ? "\u{345}" : "\u{334}" }) }),
    ("sigmas between apostrophes", { String(repeating: "Σ" + String(repeating: "'", count: 50), count: $0 / 51) }),
    ("a sigma among apostrophes", { String(repeating: "'", count: $0) + "Σ" + String(repeating: "'", count: $0) }),
    ("ampersands", { String(repeating: "&", count: $0) }),
    ("nested references", { "&" + String(repeating: "amp;", count: $0 / 4) }),
    ("unknown references", { String(repeating: "&notanentityofanykind", count: $0 / 21) }),
    ("one number", { "&#" + String(repeating: "1", count: $0) }),
    ("open numbers", { String(repeating: "&#", count: $0 / 2) }),
    ("terminal escapes that do not end", { String(repeating: "\u{1B}[;;;;", count: $0 / 6) }),
    ("one terminal escape", { "\u{1B}[" + String(repeating: ";", count: $0) }),
    ("spaces", { String(repeating: " ", count: $0) + "a" }),
    ("lines", { String(repeating: "\n", count: $0) + "a" }),
    ("punctuation", { String(repeating: "!?", count: $0 / 2) }),
    ("Hangul", { String(repeating: "\u{1100}\u{1161}\u{11A8}", count: $0 / 3) }),
    ("ideographs", { String(repeating: "\u{4E00}", count: $0) }),
    ("what no vocabulary has", { String(repeating: "\u{10FFFD}", count: $0) }),
  ]

  private static func scalars(_ scalars: [Unicode.Scalar]) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }

  static func steps(_ body: () throws -> Void) rethrows -> Int {
    let count = Work.Count()
    try Work.$count.withValue(count, operation: body)
    return count.total
  }

  /// Doubled, a text takes at most the double and what a logarithm adds, and a few steps that do not grow with it.
  static func expectGrowth(_ name: String, _ steps: [Int], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(steps[0] > 0, "\(name): nothing is counted", sourceLocation: sourceLocation)
    for (small, large) in zip(steps, steps.dropFirst()) {
      #expect(10 * large <= 23 * small + 2_000, "\(name): \(steps)", sourceLocation: sourceLocation)
    }
  }

  /// Tokenizers of every kind, by the folder that has one.
  static let folders: [(folder: String, convention: TokenizerConvention)] = [
    ("tokenizer", .openCLIP), ("tokenizer", .clip), ("tokenizer-unigram", .siglip),
    ("tokenizer-libraries/clip-added", .clip),
    ("tokenizer-libraries/gemma", .siglip2), ("tokenizer-libraries/gemma-lower-added", .siglip2),
    ("tokenizer-libraries/bert", .openCLIPNamed(.whitespace, stripsSeparator: true)),
    ("tokenizer-libraries/bert-accents", .openCLIPNamed(.canonicalize, stripsSeparator: false)),
    ("tokenizer-libraries/bert-added", .openCLIPNamed(.lower, stripsSeparator: false)),
  ]

  @Test(arguments: folders)
  func textsOfStrangersTakeTimeThatGrowsWithThem(folder: String, convention: TokenizerConvention) throws {
    try expectGrowth(of: folderTokenizer(fixtures + "/" + folder, convention), folder)
  }

  /// Our own segmentation, which works where there is no `spiece.model`.
  @Test(arguments: [SigLIPTokenizer.Rules.openCLIP, .transformers])
  func ownUnigramsTakeTimeThatGrowsWithTheText(rules: SigLIPTokenizer.Rules) throws {
    let file = try Data(contentsOf: URL(filePath: fixtures + "/tokenizer-unigram/tokenizer.json"))
    let files = ["tokenizer.json": Array(file)]
    let tokenizer = try withFolder(files) { try SigLIPTokenizer.load(folder: $0, rules: rules) }
    try expectGrowth(of: tokenizer, "\(rules)")
  }

  private func expectGrowth(of tokenizer: any TextTokenizer, _ place: String) throws {
    var counted = 0
    for (name, text) in Self.texts {
      let steps = try Self.sizes.map { size in
        let text = text(size)
        return try Self.steps { _ = try tokenizer.tokenize(text, contextLength: 16) }
      }
      // Of text that is not cleaned and has no word, BERT and Gemma have nothing to count.
      guard steps.contains(where: { $0 > 0 }) else { continue }
      counted += 1
      Self.expectGrowth("\(place): \(name)", steps)
    }
    #expect(2 * counted > Self.texts.count, "\(place): nothing is counted")
  }

  /// Merges of doubled symbols, the shortest first, in the other order, and of symbols that grow by a letter.
  @Test(arguments: [MergeTable.Order.rankByRank, .immediate])
  func equalMergesTakeTimeThatGrowsWithTheWord(order: MergeTable.Order) throws {
    let powers = (0..<13).map { String(repeating: "a", count: 1 << $0) }
    let doubled = powers.dropLast().map { (left: $0, right: $0) }
    let grown = (1..<2_000).map { (left: String(repeating: "a", count: $0), right: "a") }
    for (name, pairs) in [("doubled", doubled), ("the largest first", doubled.reversed()), ("grown", grown)] {
      let table = try MergeTable(pairs, file: "f") { Int32($0.utf8.count) }
      let steps = Self.sizes.map { size in
        Self.steps { _ = table.joined([Int32](repeating: 1, count: size), order: order) }
      }
      Self.expectGrowth(name, steps)
    }
  }

  /// A token that is white space and takes along what is behind it.
  @Test func aTokenOfSpacesLooksThroughARunOnce() {
    let token = AddedToken(content: " ", id: 1, isNormalized: false, takesSpaceBefore: true, takesSpaceBehind: true)
    let tokens = AddedTokens([token]) { $0 }
    let steps = Self.sizes.map { size in
      let text = [Unicode.Scalar](repeating: " ", count: size)
      return Self.steps { #expect(tokens.pieces(of: text) { $0 }.count == size) }
    }
    Self.expectGrowth("spaces", steps)
    let text = Array("a  b ".unicodeScalars)
    #expect(
      tokens.pieces(of: text) { $0 } == [.text(["a"]), .token(1), .token(1), .text(["b"]), .token(1)])
  }

  /// A vocabulary may have long pieces, which bound how far is looked from each place.
  @Test func longPiecesBoundTheWork() throws {
    let long = String(repeating: "a", count: 64)
    let vocabulary = UnigramVocabulary(
      pieces: [("<unk>", 0), ("</s>", 0), ("a", -1), (long + "b", -2)], unknownID: 0, endID: 1, controls: [1],
      characterMap: nil)
    for size in Self.sizes {
      let text = [UInt8](repeating: UInt8(ascii: "a"), count: size)
      #expect(Self.steps { _ = vocabulary.ids(of: text) } <= 66 * (size + 3))
    }
    let symbol = String(repeating: "a", count: SymbolTable.longestToken + 1)
    var table = SymbolTable(file: "f")
    try table.add(String(symbol.dropLast()), id: 0)
    #expect(throws: TokenizerError.self) { try table.add(symbol, id: 1) }
  }
}

/// SentencePiece's table of replacements: one that leads in circles or blows texts up is none.
@Suite struct CharacterMapTests {
  private static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (8 * UInt32($0)) & 0xFF) } }

  /// A table of 1,024 units that knows one key of `count` letters a, or one that never ends.
  private static func table(letters count: Int, endless: Bool = false, replacement: Int = 1) -> [UInt8] {
    // Bases at multiples of 256, so that the place of a letter and its label are one.
    var units = [UInt32](repeating: 0x8000_0000, count: 256 * (count + 2))
    func unit(from place: Int, to base: Int, hasLeaf: Bool, label: UInt32) -> UInt32 {
      // Offsets below 2^21 are written as they are.
      UInt32(place ^ base) << 10 | (hasLeaf ? 1 << 8 : 0) | label
    }
    units[0] = unit(from: 0, to: 0, hasLeaf: false, label: 0)
    for letter in 0..<count {
      let place = 256 * letter + 0x61
      let isLast = letter == count - 1
      let base = isLast && endless ? 0 : 256 * (letter + 1)
      units[place] = unit(from: place, to: base, hasLeaf: isLast && !endless, label: 0x61)
    }
    let replacements = [UInt8](repeating: UInt8(ascii: "b"), count: replacement) + [0]
    return word(UInt32(4 * units.count)) + units.flatMap(word) + replacements
  }

  @Test func aSoundTableReplaces() throws {
    for letters in [1, 2, PrecompiledCharacterMap.longestKey] {
      let map = try #require(PrecompiledCharacterMap(Self.table(letters: letters)))
      let text = [UInt8](repeating: UInt8(ascii: "a"), count: 2 * letters + 1)
      #expect(String(decoding: map.normalized(text), as: UTF8.self) == (letters == 1 ? "bbb" : "bba"))
    }
    #expect(PrecompiledCharacterMap(Self.table(letters: 1, replacement: 1_024)) != nil)
  }

  @Test func circlesLongKeysAndLongReplacementsAreRefused() {
    for letters in [1, 3] { #expect(PrecompiledCharacterMap(Self.table(letters: letters, endless: true)) == nil) }
    #expect(PrecompiledCharacterMap(Self.table(letters: PrecompiledCharacterMap.longestKey + 1)) == nil)
    #expect(PrecompiledCharacterMap(Self.table(letters: 1, replacement: 1_025)) == nil)
  }

  @Test func aKeyIsLookedForOnce() throws {
    let map = try #require(PrecompiledCharacterMap(Self.table(letters: PrecompiledCharacterMap.longestKey)))
    for size in WorkTests.sizes {
      // One letter too few for the key, and another in its place.
      let run = [UInt8](repeating: UInt8(ascii: "a"), count: PrecompiledCharacterMap.longestKey - 1) + [0x63]
      let text = (0..<size / run.count).flatMap { _ in run }
      #expect(WorkTests.steps { _ = map.normalized(text) } <= (PrecompiledCharacterMap.longestKey + 1) * text.count)
    }
  }
}
