import FoundationEssentials
import Testing

@testable import Tokenizers

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
}

@Test func idsEqualOpenCLIPs() throws {
  let tokenizer = try fixtureTokenizer()
  let cases = try JSONDecoder().decode([Case].self, from: fixtureData("cases.json"))
  #expect(cases.count == 17)
  for one in cases {
    #expect(tokenizer.encode(one.text, contextLength: 24) == one.ids, "\(one.text)")
  }
  #expect(tokenizer.startID == 772)
  #expect(tokenizer.endID == 773)
  #expect(tokenizer.idCount == 774)
}

@Test(arguments: ["clip", "clip-odd", "clip-hf", "clip-hf-sharded"])
func everyModelFolderLoads(name: String) throws {
  let tokenizer = try CLIPTokenizer.load(folder: "\(fixtures)/\(name)/model/")
  let ids = tokenizer.encode("a cat", contextLength: 6)
  #expect(ids.first == tokenizer.startID)
  #expect(ids.contains(tokenizer.endID))
}

@Test func emptyAndBlankTextsAreOnlyFramed() throws {
  let tokenizer = try fixtureTokenizer()
  for text in ["", " \t\n", "\u{FEFF}\u{0}", "&nbsp;", "\u{345}"] {
    #expect(tokenizer.ids(of: text) == [])
    #expect(tokenizer.encode(text, contextLength: 4) == [772, 773, 0, 0])
  }
}

@Test func longTextsEndWithTheEndToken() throws {
  let tokenizer = try fixtureTokenizer()
  let text = "supercalifragilisticexpialidocious cat"
  let all = tokenizer.ids(of: text)
  for length in 2...(all.count + 5) {
    let framed = tokenizer.encode(text, contextLength: length)
    #expect(framed.count == length)
    let kept = min(all.count, length - 2)
    #expect(framed == [772] + all[..<kept] + [773] + Array(repeating: 0, count: length - 2 - kept))
  }
}

@Test(arguments: [
  "<start_of_text>", "<|startoftext|>", "<|endoftext|>", "&lt;|endoftext|&gt;", "<END_OF_TEXT>", "</w>",
])
func textNeverYieldsSpecialTokens(text: String) throws {
  let ids = try fixtureTokenizer().ids(of: "a \(text) b")
  #expect(ids.count > 4)
  #expect(!ids.contains(772) && !ids.contains(773))
}

@Test(arguments: ["abcdefghij", "in the ", "a"])
func aMegabyteIsTokenized(part: String) throws {
  let ids = try JSONDecoder().decode([String: Int32].self, from: fixtureData("vocab.json"))
  let names = Dictionary(uniqueKeysWithValues: ids.map { ($1, $0) })
  let text = String(repeating: part, count: (1 << 20) / part.utf8.count)
  let found = try fixtureTokenizer().ids(of: text).map { names[$0] ?? "?" }.joined()
  let words = text.split(separator: " ").map { $0 + "</w>" }.joined()
  // Without the failure's text of a megabyte.
  #expect((found == words) == true)
}

/// Long texts that invite quadratic work, each in its own step.
@Test(arguments: ["&", "amp;", "\u{301}", "\u{1B}[1", "Σ\u{301}", "&#1"])
func longHostileTextsFinish(part: String) throws {
  var text = "&" + String(repeating: part, count: (1 << 18) / part.utf8.count)
  if part == "\u{301}" { text += String(repeating: "\u{323}", count: 1 << 17) }
  #expect(try fixtureTokenizer().encode(text, contextLength: 24).count == 24)
}

@Test func unfoldingStopsAfterItsRounds() {
  let layers = TextRepair.maximumRounds + 5
  let text = "&" + String(repeating: "amp;", count: layers)
  let left = layers - TextRepair.maximumRounds - 2
  #expect(String(TextCleaning.cleaned(text)) == "&" + String(repeating: "amp;", count: left))
}

extension String {
  init(_ scalars: [Unicode.Scalar]) {
    self.init(String.UnicodeScalarView(scalars))
  }
}
