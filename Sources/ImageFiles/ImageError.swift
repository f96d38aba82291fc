internal import Files

/// One line about a picture that could not be read, decoded or encoded: the file, what failed, what was expected, what
/// was found, and what to do.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The file cannot be opened or read.
    case unreadable
    /// Not a PNG or JPEG, or a variant of them that is not supported.
    case unsupported
    /// The bytes break the rules of their format, or end early.
    case corrupt
    /// More pixels or bytes than the limit.
    case tooLarge
    case outOfMemory
  }

  public let kind: Kind
  /// The path, or the name that the caller gave to the bytes.
  public let file: String
  public let failure: String
  public let expected: String
  public let found: String
  public let remedy: String

  public init(kind: Kind, file: String, failure: String, expected: String, found: String, remedy: String) {
    self.kind = kind
    self.file = file
    self.failure = failure
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  public var description: String {
    faultLine(file: file, place: failure, expected: expected, found: found, remedy: remedy)
  }
}

extension ImageError {
  /// The error of reading a file whole.
  init(_ error: FileError) {
    if case .tooLarge = error.kind {
      self.init(
        kind: .tooLarge, file: error.path, failure: "the file is too long", expected: error.expected,
        found: error.found, remedy: "raise the limit if the file is trusted")
    } else {
      let verb = error.operation == .opening ? "opened" : "read"
      self.init(
        kind: .unreadable, file: error.path, failure: "the file cannot be \(verb)", expected: "a PNG or JPEG file",
        found: error.found, remedy: error.remedy)
    }
  }
}
