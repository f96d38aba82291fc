/// Why a tokenizer could not be loaded: which file, what was expected there, what was found, and what to do.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of trouble, for programs; the other properties are for people.
  public enum Reason: Sendable, Equatable {
    /// The folder holds no tokenizer in a known layout.
    case missingFiles
    /// The file cannot be opened or read, or is no regular file.
    case unreadable
    /// The file, or what it unpacks to, is larger than any tokenizer.
    case tooLarge
    /// The bytes are not UTF-8.
    case notUTF8
    /// The bytes are not one whole gzip member.
    case badGzip
    /// The bytes are not JSON, or a value has another type than expected.
    case badJSON
    /// A `tokenizer.json` of another kind than CLIP's byte pairs.
    case unsupportedModel
    /// The first line of a merges list is not its version line.
    case missingHeader
    /// A line of a merges list is not two symbols.
    case badMerge
    /// The same merge stands twice.
    case duplicateMerge
    /// A merge names, or makes, a symbol that is not in the vocabulary.
    case unknownSymbol
    /// The same symbol stands twice.
    case duplicateSymbol
    /// A token id is negative or implausibly large.
    case badID
    /// Two symbols share an id.
    case duplicateID
    /// One of the 512 symbols of single bytes is missing.
    case missingByteSymbol
    /// There is no start token or no end token.
    case missingSpecialToken
    /// There are several start tokens or several end tokens.
    case ambiguousSpecialToken
  }

  public let reason: Reason
  /// The path of the file, or of the folder when no file was found.
  public let file: String
  public let expected: String
  public let found: String
  public let remedy: String

  public var description: String {
    "\(printable(file, limit: 4096)): expected \(expected), found \(found); \(remedy)"
  }
}

extension TokenizerError {
  static let replaceFile = "replace the file by an intact copy"

  static func tooLarge(_ file: String, limit: Int, found: String) -> TokenizerError {
    TokenizerError(
      reason: .tooLarge, file: file, expected: "at most \(limit) bytes", found: found,
      remedy: "check that this is a tokenizer's file")
  }

  static func badGzip(_ file: String, found: String) -> TokenizerError {
    TokenizerError(
      reason: .badGzip, file: file, expected: "one whole gzip member", found: found, remedy: replaceFile)
  }
}

/// Text from a file, fit for one line of an error: quoted nowhere, cut to `limit` scalars, controls as `\u{…}`.
func printable(_ text: String, limit: Int = 40) -> String {
  var shown = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    if count == limit {
      shown += "…"
      break
    }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      shown += "\\u{\(String(scalar.value, radix: 16))}"
    default:
      shown.unicodeScalars.append(scalar)
    }
  }
  return shown
}
