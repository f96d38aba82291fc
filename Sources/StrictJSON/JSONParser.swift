package import Texts

/// A strict JSON reader for text from strangers: duplicate keys are refused, and depth and the number of values are
/// limited before anything is kept.
package struct JSONParser {
  package static let maximumDepth = 32

  /// Whose texts are read.
  package enum Dialect: Sendable {
    /// The grammar, with every key once.
    case strict
    /// What Python's `json` reads: of a key that repeats the last value, and `NaN`, `Infinity` and `-Infinity` as
    /// numbers.
    case python
  }

  private let bytes: [UInt8]
  private var position = 0
  private var values = 0
  private let maximumValues: Int
  private let listed: [String]
  private let dialect: Dialect

  /// Reads `bytes` as one JSON value that spaces, tabs and line ends may surround.
  /// - Parameter listed: keys whose objects come as arrays of `[key, value]`, in the text's order, with nothing said of
  ///   keys that repeat.
  package static func parse(
    _ bytes: [UInt8], maximumValues: Int = 4_000_000, listed: [String] = [], dialect: Dialect = .strict
  ) throws(JSONError) -> JSONValue {
    var parser = try JSONParser(bytes, maximumValues: maximumValues, listed: listed, dialect: dialect)
    parser.skipWhitespace()
    let value = try parser.value(depth: 0)
    parser.skipWhitespace()
    guard parser.position == bytes.count else { throw parser.failure("the end of the text") }
    return value
  }

  /// Reads `bytes` as one JSON object that starts at the first byte and is followed by nothing but spaces.
  package static func parseHeader(_ bytes: [UInt8], maximumValues: Int = 4_000_000) throws(JSONError)
    -> TextTable<JSONValue>
  {
    var parser = try JSONParser(bytes, maximumValues: maximumValues)
    guard parser.peek == UInt8(ascii: "{") else { throw parser.failure("{") }
    let object = try parser.object(depth: 0)
    while parser.peek == UInt8(ascii: " ") { parser.position += 1 }
    guard parser.position == bytes.count else { throw parser.failure("nothing but spaces after the object") }
    return object
  }

  private init(
    _ bytes: [UInt8], maximumValues: Int, listed: [String] = [], dialect: Dialect = .strict
  ) throws(JSONError) {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw JSONError(kind: .notUTF8, offset: 0, expected: "UTF-8 text", found: "bytes that are not UTF-8")
    }
    self.bytes = bytes
    self.maximumValues = maximumValues
    self.listed = listed
    self.dialect = dialect
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func failure(_ expected: String, kind: JSONError.Kind = .syntax, found: String? = nil) -> JSONError {
    let seen =
      if let found { found } else if let peek {
        peek > 0x20 && peek < 0x7F ? "'\(Character(Unicode.Scalar(peek)))'" : "byte \(peek)"
      } else { "the end of the text" }
    return JSONError(kind: kind, offset: position, expected: expected, found: seen)
  }

  private mutating func skipWhitespace() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
    guard peek == UInt8(ascii: character) else { throw failure("'\(character)'") }
    position += 1
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    values += 1
    guard values <= maximumValues else {
      throw failure("at most \(maximumValues) values", kind: .limit, found: "more")
    }
    switch peek {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "N") where dialect == .python: return try literal("NaN", .number("NaN"))
    case UInt8(ascii: "I") where dialect == .python: return try literal("Infinity", .number("Infinity"))
    case UInt8(ascii: "-") where dialect == .python && bytes[position...].starts(with: "-I".utf8):
      return try literal("-Infinity", .number("-Infinity"))
    case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): return try number()
    default: throw failure("a JSON value")
    }
  }

  private mutating func literal(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[position...].starts(with: word.utf8) else { throw failure("a JSON value") }
    position += word.utf8.count
    return value
  }

  private func checkDepth(_ depth: Int) throws(JSONError) {
    guard depth < Self.maximumDepth else {
      throw failure("at most \(Self.maximumDepth) nested objects and arrays", kind: .limit, found: "more")
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> TextTable<JSONValue> {
    try checkDepth(depth)
    try expect("{")
    var members: TextTable<JSONValue> = [:]
    skipWhitespace()
    if peek == UInt8(ascii: "}") {
      position += 1
      return members
    }
    while true {
      skipWhitespace()
      guard peek == UInt8(ascii: "\"") else { throw failure("a key in double quotes") }
      let start = position
      let key = try string()
      guard dialect == .python || members[key] == nil else {
        position = start
        throw failure("every key once", kind: .duplicateKey, found: "\"\(key)\" twice")
      }
      skipWhitespace()
      try expect(":")
      skipWhitespace()
      members[key] =
        if peek == UInt8(ascii: "{"), listed.contains(where: key.isSame) {
          .array(try entries(depth: depth + 1))
        } else { try value(depth: depth + 1) }
      skipWhitespace()
      if peek == UInt8(ascii: "}") {
        position += 1
        return members
      }
      guard peek == UInt8(ascii: ",") else { throw failure("',' or '}'") }
      position += 1
    }
  }

  /// An object as arrays of its keys and values.
  private mutating func entries(depth: Int) throws(JSONError) -> [JSONValue] {
    try checkDepth(depth)
    try expect("{")
    var entries: [JSONValue] = []
    skipWhitespace()
    if peek == UInt8(ascii: "}") {
      position += 1
      return entries
    }
    while true {
      skipWhitespace()
      guard peek == UInt8(ascii: "\"") else { throw failure("a key in double quotes") }
      let key = try string()
      skipWhitespace()
      try expect(":")
      skipWhitespace()
      entries.append(.array([.string(key), try value(depth: depth + 1)]))
      skipWhitespace()
      if peek == UInt8(ascii: "}") {
        position += 1
        return entries
      }
      guard peek == UInt8(ascii: ",") else { throw failure("',' or '}'") }
      position += 1
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    try checkDepth(depth)
    try expect("[")
    var elements: [JSONValue] = []
    skipWhitespace()
    if peek == UInt8(ascii: "]") {
      position += 1
      return elements
    }
    while true {
      skipWhitespace()
      elements.append(try value(depth: depth + 1))
      skipWhitespace()
      if peek == UInt8(ascii: "]") {
        position += 1
        return elements
      }
      guard peek == UInt8(ascii: ",") else { throw failure("',' or ']'") }
      position += 1
    }
  }

  private mutating func digits() throws(JSONError) {
    guard let byte = peek, isDigit(byte) else { throw failure("a digit") }
    while let byte = peek, isDigit(byte) { position += 1 }
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    var isInteger = true
    if peek == UInt8(ascii: "-") { position += 1 }
    if peek == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if let byte = peek, isDigit(byte) { throw failure("no digits after a leading zero") }
    if peek == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try digits()
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    // "-0" is kept as written: it is a number, but no non-negative integer.
    if isInteger, text != "-0", let value = Int(text) { return .integer(value) }
    return .number(text)
  }

  private mutating func string() throws(JSONError) -> String {
    try expect("\"")
    var text = ""
    var start = position
    while true {
      guard let byte = peek else { throw failure("'\"'") }
      switch byte {
      case UInt8(ascii: "\""):
        text += String(decoding: bytes[start..<position], as: UTF8.self)
        position += 1
        return text
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[start..<position], as: UTF8.self)
        position += 1
        text.unicodeScalars.append(try escape())
        start = position
      case 0..<0x20:
        throw failure("no raw control characters in a string")
      default:
        position += 1
      }
    }
  }

  private mutating func escape() throws(JSONError) -> Unicode.Scalar {
    guard let byte = peek else { throw failure("an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try hexadecimal()
      if let scalar = Unicode.Scalar(first) { return scalar }
      guard first < 0xDC00 else { throw failure("a high surrogate first") }
      try expect("\\")
      try expect("u")
      let second = try hexadecimal()
      guard (0xDC00..<0xE000).contains(second) else { throw failure("a low surrogate after a high one") }
      guard let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
        throw failure("a surrogate pair")
      }
      return scalar
    default:
      position -= 1
      throw failure("one of the escapes \" \\ / b f n r t u")
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw failure("four hexadecimal digits")
      }
      value = value * 16 + UInt32(digit)
      position += 1
    }
    return value
  }
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
