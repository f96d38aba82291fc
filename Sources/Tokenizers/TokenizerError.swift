public import Failures
import Files
import StrictJSON

/// Why a tokenizer could not be loaded.
public typealias TokenizerError = Fault<TokenizerRule>

/// The rules of tokenizers' files.
public enum TokenizerRule: FaultRule {
  /// The folder holds no tokenizer in a known layout.
  case missingFiles
  /// What Git or a server left in the place of the file.
  case notFetched
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
  /// A `tokenizer.json` of a kind that is not known, or not the model's.
  case unsupportedModel
  /// A `spiece.model` that is none, or of another kind than unigrams.
  case badModel
  /// The first line of a merges list is not its version line.
  case missingHeader
  /// A line of a merges list is not two symbols.
  case badMerge
  /// A merge stands twice.
  case duplicateMerge
  /// A merge names, or makes, a symbol that is not in the vocabulary.
  case unknownSymbol
  /// A symbol, or another key of one JSON object, stands twice.
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

  static let replaceFile: Message = "replace the file by an intact copy"
  /// What helps where the files are right and not understood.
  static let giveEmbeddings: Message = "this tokenizer is not supported: give \(Subject.textEmbeddings)"
}

extension Fault<TokenizerRule> {
  /// The error of reading a file whole.
  init(_ error: FileError) {
    if case .tooLarge(let limit) = error.rule {
      self = .tooLarge(error.file, limit: limit, found: error.found)
    } else {
      self.init(
        .unreadable, file: error.file, expected: error.expected, found: error.found, remedy: error.remedy)
    }
  }

  /// The JSON error of `file`, which was to hold `content`.
  init(_ error: JSONError, file: String, content: String) {
    switch error.kind {
    case .notUTF8: self = .notUTF8(file)
    case .duplicateKey:
      self.init(
        .duplicateSymbol, file: file, expected: error.expected, found: "\(error.found), at byte \(error.offset)",
        remedy: TokenizerRule.replaceFile)
    case .syntax, .limit:
      self.init(
        .badJSON, file: file, expected: "JSON: \(content)",
        found: "text that is not JSON (byte \(error.offset): expected \(error.expected), found \(error.found))",
        remedy: TokenizerRule.replaceFile)
    }
  }

  static func notUTF8(_ file: String) -> TokenizerError {
    TokenizerError(
      .notUTF8, file: file, expected: "UTF-8 text", found: "bytes that are not", remedy: TokenizerRule.replaceFile)
  }

  static func tooLarge(_ file: String, limit: Int, found: String) -> TokenizerError {
    TokenizerError(
      .tooLarge, file: file, expected: "at most \(limit) bytes", found: found,
      remedy: "check that this is a tokenizer's file")
  }

  static func badGzip(_ file: String, found: String) -> TokenizerError {
    TokenizerError(
      .badGzip, file: file, expected: "one whole gzip member", found: found, remedy: TokenizerRule.replaceFile)
  }
}

/// A symbol or a line from a file, as an error quotes it.
func quotation(_ text: String) -> String { "“" + printable(text, limit: 40) + "”" }
