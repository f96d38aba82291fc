import Failures
import Files
import StrictJSON
import Texts

/// A value in a tokenizer's JSON file; its errors name the file and the way to the value.
struct TokenizerJSON {
  private let value: JSONValue
  let file: String
  /// Keys from the top, joined by dots; empty for the whole file.
  private let path: String
  /// What the whole file is expected to hold.
  private let content: String

  /// Reads a file. Objects named “vocab” have keys that are compared scalar by scalar, and `entries` alone reads them.
  /// - Throws: as `TextFile.read`, `.badJSON`, or `.duplicateSymbol` when a key stands twice in one object.
  init(file: String, limit: Int, content: String) throws(TokenizerError) {
    let bytes = try TextFile.bytes(file, limit: limit)
    do throws(JSONError) {
      value = try JSONParser.parse(bytes, listed: ["vocab"])
    } catch {
      if let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: true, isJSON: true) {
        throw TokenizerError(
          .badJSON, file: file, expected: "JSON", found: leftover.found, remedy: leftover.remedy)
      }
      throw TokenizerError(error, file: file, content: content)
    }
    (self.file, self.content, path) = (file, content, "")
  }

  private init(_ value: JSONValue, at path: String, in parent: TokenizerJSON) {
    (self.value, self.path, file, content) = (value, path, parent.file, parent.content)
  }

  /// The value of `key`, nil when it is absent or null.
  func optional(_ key: String) throws(TokenizerError) -> TokenizerJSON? {
    guard let member = try members()[key], member != .null else { return nil }
    return self.member(member, key)
  }

  func required(_ key: String) throws(TokenizerError) -> TokenizerJSON {
    guard let member = try optional(key) else { throw failure("no “\(key)” in \(place)") }
    return member
  }

  func elements() throws(TokenizerError) -> [TokenizerJSON] {
    guard case .array(let elements) = value else { throw wrongType }
    return elements.enumerated().map { TokenizerJSON($1, at: "\(path)[\($0)]", in: self) }
  }

  /// The text of a string, nil for a value of another type.
  var text: String? {
    if case .string(let text) = value { text } else { nil }
  }

  func string() throws(TokenizerError) -> String {
    guard let text else { throw wrongType }
    return text
  }

  /// A string that is held against names of this program, which Swift does in the square of a run of marks: a short one.
  func name() throws(TokenizerError) -> String {
    let text = try string()
    guard text.utf8.count <= Self.longestName else {
      throw failure("\(text.utf8.count) bytes at \(place), where a name stands")
    }
    return text
  }

  /// In bytes.
  private static let longestName = 256

  func integer() throws(TokenizerError) -> Int {
    switch value {
    case .integer(let integer): return integer
    case .number: throw failure("a number that is no integer, or too large, at \(place)")
    default: throw wrongType
    }
  }

  func double() throws(TokenizerError) -> Double {
    guard let double = value.double else { throw wrongType }
    return double
  }

  func boolean() throws(TokenizerError) -> Bool {
    guard case .bool(let boolean) = value else { throw wrongType }
    return boolean
  }

  /// An object of integers.
  /// - Throws: `.duplicateSymbol` for a key of a listed object that stands twice.
  func integers() throws(TokenizerError) -> TextTable<Int> {
    var integers: TextTable<Int> = [:]
    if case .array(let list) = value {
      integers.reserveCapacity(list.count)
      for (key, value) in try entries() {
        guard integers.updateValue(try value.integer(), forKey: key) == nil else {
          throw TokenizerError(
            .duplicateSymbol, file: file, expected: "every key once", found: "\"\(key)\" twice in \(place)",
            remedy: TokenizerRule.replaceFile)
        }
      }
      return integers
    }
    let members = try members()
    integers.reserveCapacity(members.count)
    for (key, member) in members { integers[key] = try self.member(member, key).integer() }
    return integers
  }

  /// The keys and values of a listed object, or of an array of pairs, in the order of the file.
  func entries() throws(TokenizerError) -> [(key: String, value: TokenizerJSON)] {
    guard case .array(let list) = value else { throw wrongType }
    var entries: [(key: String, value: TokenizerJSON)] = []
    entries.reserveCapacity(list.count)
    for (index, entry) in list.enumerated() {
      guard case .array(let pair) = entry, pair.count == 2, case .string(let key) = pair[0] else {
        throw failure("another type of value at \(quotation("\(path)[\(index)]"))")
      }
      entries.append((key, TokenizerJSON(pair[1], at: path, in: self)))
    }
    return entries
  }

  /// The keys and values of an object.
  func fields() throws(TokenizerError) -> [(key: String, value: TokenizerJSON)] {
    try members().sorted { $0.key.precedes($1.key) }.map { ($0.key, member($0.value, $0.key)) }
  }

  private func members() throws(TokenizerError) -> TextTable<JSONValue> {
    guard case .object(let members) = value else { throw wrongType }
    return members
  }

  private func member(_ value: JSONValue, _ key: String) -> TokenizerJSON {
    TokenizerJSON(value, at: path.isEmpty ? key : path + "." + key, in: self)
  }

  /// A value that is not what it must be.
  func unexpected(_ expected: String, found: String) -> TokenizerError {
    fault(.badJSON, expected: expected, found: found)
  }

  func fault(_ rule: TokenizerRule, expected: String, found: String) -> TokenizerError {
    TokenizerError(
      rule, file: file, place: path.isEmpty ? nil : quotation(path), expected: expected, found: found,
      remedy: TokenizerRule.replaceFile)
  }

  private var place: String { path.isEmpty ? "the file" : quotation(path) }

  private var wrongType: TokenizerError { failure("another type of value at \(place)") }

  private func failure(_ found: String) -> TokenizerError {
    TokenizerError(
      .badJSON, file: file, expected: "JSON: \(content)", found: found, remedy: TokenizerRule.replaceFile)
  }
}
