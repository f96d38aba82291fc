package import Texts

/// A JSON document, read strictly.
package enum JSONValue: Sendable {
  case object(TextTable<JSONValue>)
  case array([JSONValue])
  case string(String)
  /// An integer literal that fits.
  case integer(Int)
  /// Any other number, as written: a fraction, an exponent, an integer beyond 64 bits, or what Python adds to them.
  case number(String)
  case bool(Bool)
  case null

  /// The value as a finite number.
  package var double: Double? {
    switch self {
    case .integer(let value): return Double(value)
    case .number(let text):
      guard let value = Double(text), value.isFinite else { return nil }
      return value
    default: return nil
    }
  }

  /// How an error message calls this value.
  package var summary: String {
    switch self {
    case .object: "an object"
    case .array(let values): "an array of \(values.count)"
    case .string(let text): "\"\(text)\""
    case .integer(let value): "\(value)"
    case .number(let text): text
    case .bool(let value): "\(value)"
    case .null: "null"
    }
  }
}

extension JSONValue: Equatable {
  /// Texts are told apart by their bytes.
  package static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.object(let left), .object(let right)): left == right
    case (.array(let left), .array(let right)): left == right
    case (.string(let left), .string(let right)), (.number(let left), .number(let right)): left.isSame(as: right)
    case (.integer(let left), .integer(let right)): left == right
    case (.bool(let left), .bool(let right)): left == right
    case (.null, .null): true
    default: false
    }
  }
}

/// Where and why text is not the JSON that was asked for.
package struct JSONError: Error, Equatable, Sendable {
  package enum Kind: Sendable {
    case notUTF8
    case syntax
    case duplicateKey
    case limit
  }

  package let kind: Kind
  /// Byte offset in the text.
  package let offset: Int
  package let expected: String
  package let found: String
}
