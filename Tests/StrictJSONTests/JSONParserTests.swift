import StrictJSON
import Testing
import Texts

struct JSONParserTests {
  @Test func valuesAreRead() throws {
    let text =
      " {\"a\" : [1, -2, 3.5, 1e3, true, false, null], \"\\u00e9\\ud83d\\ude00\\n\":\"x\\/\\\"\","
      + " \"o\":{}, \"e\":[ ]}\r\n\t"
    let value = try JSONParser.parse(Array(text.utf8))
    #expect(
      value
        == .object([
          "a": .array([
            .integer(1), .integer(-2), .number("3.5"), .number("1e3"), .bool(true), .bool(false), .null,
          ]),
          "é😀\n": .string("x/\""), "o": .object([:]), "e": .array([]),
        ]))
  }

  @Test func numbersKeepTheirSize() throws {
    let parse = { (text: String) in try JSONParser.parse(Array(text.utf8)) }
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number("9223372036854775808"))
    #expect(try parse("1e-5").double == 1e-5)
    #expect(try parse("1e999").double == nil)
    #expect(try parse("\"1\"").double == nil)
  }

  @Test(arguments: [
    "", " ", "{", "}", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "tru", "nul", "+1", "-", "1.",
    ".5", "1e", "01",
    "NaN", "Infinity", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\\ud800\\u0041\"",
    "1 2", "{} x",
    "\u{FEFF}{}", "'a'", "// c\n1",
  ])
  func faultyTextIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
  }

  @Test func whatPythonAddsIsReadWhereThatIsAskedFor() throws {
    let text = "{\"a\": [NaN, Infinity, -Infinity, -1], \"b\": 1, \"b\": {\"c\": 2}, \"b\": \"last\"}"
    let value = try JSONParser.parse(Array(text.utf8), dialect: .python)
    #expect(
      value
        == .object([
          "a": .array([.number("NaN"), .number("Infinity"), .number("-Infinity"), .integer(-1)]), "b": .string("last"),
        ]))
    guard case .object(let members) = value, case .array(let numbers)? = members["a"] else { return }
    #expect(numbers.map(\.double) == [nil, nil, nil, -1])
    for text in ["nan", "Nan", "+Infinity", "-NaN", "Inf", "-Inf", "Infinite", "NaN1", "\u{FEFF}{}", "{\"a\": 1,}"] {
      #expect(throws: JSONError.self, "\(text)") { try JSONParser.parse(Array(text.utf8), dialect: .python) }
    }
    #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
  }

  @Test func limitsHold() throws {
    let nested = { (depth: Int) in
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    _ = try JSONParser.parse(nested(32))
    #expect(#expect(throws: JSONError.self) { try JSONParser.parse(nested(33)) }?.kind == .limit)
    #expect(#expect(throws: JSONError.self) { try JSONParser.parse(nested(1_000_000)) }?.kind == .limit)
    #expect(
      #expect(throws: JSONError.self) { try JSONParser.parse(Array("[1,2,3]".utf8), maximumValues: 3) }?.kind == .limit)
  }

  @Test func offsetsPointAtTheFault() {
    let error = #expect(throws: JSONError.self) { try JSONParser.parse(Array("{\"a\":1,\"b\":?}".utf8)) }
    #expect(error?.offset == 11)
    #expect(error?.found == "'?'")
  }

  @Test(arguments: ["{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "[{\"b\":{\"\":1,\"x\":2,\"\":3}}]"])
  func duplicateKeysAreRefused(text: String) {
    #expect(#expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }?.kind == .duplicateKey)
  }

  @Test func bytesThatAreNotUTF8AreRefused() {
    for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
      #expect(#expect(throws: JSONError.self) { try JSONParser.parse(bytes) }?.kind == .notUTF8)
    }
  }

  /// As in Python: é as one scalar and as two.
  @Test func keysAreToldApartByTheirBytes() throws {
    guard case .object(let members) = try JSONParser.parse(Array("{\"\u{E9}\":1,\"e\\u0301\":2}".utf8)) else {
      Issue.record("no object")
      return
    }
    #expect(members.count == 2 && members["\u{E9}"] == .integer(1) && members["e\u{301}"] == .integer(2))
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
  }
}
