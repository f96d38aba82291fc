import FoundationEssentials
import Testing

@testable import Tokenizers

private struct Case: Decodable {
  let text: String
  let clean: String
  let ids: [Int32]
}

/// cleaning.json is what ftfy, `html` and `regex` of Python make of a few hundred texts (make_cleaning.py).
@Test func cleaningEqualsPythons() throws {
  let tokenizer = try fixtureTokenizer()
  let cases = try JSONDecoder().decode([Case].self, from: fixtureData("cleaning.json"))
  #expect(cases.count > 250)
  for one in cases {
    // As scalars: String's == is blind to the normalization form.
    #expect(TextCleaning.cleaned(one.text) == Array(one.clean.unicodeScalars), "\(one.text.debugDescription)")
    #expect(tokenizer.ids(of: one.text) == one.ids, "\(one.text.debugDescription)")
  }
}

@Test func mojibakeStaysAsItIs() {
  #expect(String(TextCleaning.cleaned("cafÃ© Ã¼ber")) == "cafã© ã¼ber")
}

@Test(arguments: [
  ("it's 'twas they'LL", ["it", "'s", "'t", "was", "they", "'ll"]),
  ("'ſ x's", ["'ſ", "x", "'s"]),
  ("a1b22", ["a", "1", "b", "2", "2"]),
  ("!?'s...", ["!?'", "s", "..."]),
  ("a\u{345}!\u{345}!", ["a", "!", "!"]),
  ("'l 'lx 'r", ["'", "l", "'", "lx", "'", "r"]),
])
func textSplitsIntoPieces(text: String, pieces: [String]) {
  let scalars = UnicodeText.lowercased(Array(text.unicodeScalars))
  #expect(WordSplitter(scalars).map { String(Array($0)) } == pieces)
}

/// Every name of the table, with its semicolon, is one reference; the counts are those of the W3C list.
@Test func everyNameIsKnown() {
  var (words, optional) = (0, 0)
  for word in HTMLEntityNames.standard.split(whereSeparator: \.isWhitespace) {
    let parts = word.split(whereSeparator: { $0 == ":" || $0 == "?" })
    let expected = parts[1].split(separator: "+").compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }
    #expect(HTMLEntities.unescapeAll(Array("&\(parts[0]);x".unicodeScalars)) == expected + ["x"])
    // ftfy's pattern holds 24 letters at most.
    let strict = parts[0].count <= 24 ? expected : Array("&\(parts[0]);".unicodeScalars)
    #expect(HTMLEntities.unescapeStrict(Array("&\(parts[0]);x".unicodeScalars)) == strict + ["x"])
    if word.contains("?") {
      optional += 1
      #expect(HTMLEntities.unescapeAll(Array("&\(parts[0])".unicodeScalars)) == expected)
    }
    words += 1
  }
  #expect(words == 2125)
  #expect(words + optional == 2231)
}
