import StrictJSON
import Testing

@Test(arguments: ["", "a \"quoted\" \\ é 😀", "\u{0}\n\t\u{1F}\u{7F}", "</script>"])
func quotedTextReadsBack(text: String) throws {
  #expect(try JSONParser.parse(Array(quoted(text).utf8)) == .string(text))
}

@Test func quotedTextEscapesWhatJSONAsksFor() {
  #expect(quoted("a\"\\\n\u{1F}é") == #""a\"\\\u000a\u001fé""#)
}
