import Failures
import Files

/// A tokenizer's files as bytes and as text.
enum TextFile {
  /// The bytes of the regular file at `path`.
  /// - Throws: `.unreadable`, `.notFetched`, or `.tooLarge` beyond `limit` bytes.
  static func bytes(_ path: String, limit: Int) throws(TokenizerError) -> [UInt8] {
    let bytes: [UInt8]
    do throws(FileError) { bytes = try WholeFile.read(path, limit: limit) } catch { throw TokenizerError(error) }
    guard let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: true) else { return bytes }
    throw TokenizerError(
      .notFetched, file: path, expected: "a tokenizer's file", found: leftover.found, remedy: leftover.remedy)
  }

  /// The file as text.
  /// - Throws: as `bytes`, and `.notUTF8`.
  static func read(_ path: String, limit: Int) throws(TokenizerError) -> String {
    try text(bytes(path, limit: limit), file: path)
  }

  static func text(_ bytes: [UInt8], file: String) throws(TokenizerError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8(file) }
    return text
  }
}
