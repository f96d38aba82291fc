import Glibc

/// Why a file could not be opened, read or written, in one line: the file, what was tried, what was expected, what was
/// found, and what to do about it.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Equatable, Sendable {
    /// Nothing has this name.
    case missing
    /// A folder, a pipe or a device instead of a regular file.
    case notRegular
    /// More bytes than the limit.
    case tooLarge(limit: Int)
    /// The system refuses to open the file or fails to read it.
    case unreadable
    /// The system refuses to make or to write the file.
    case unwritable
    /// A file of this name is there and may not be replaced.
    case exists
  }

  public enum Operation: String, Sendable {
    case opening, reading, writing
  }

  public let kind: Kind
  public let operation: Operation
  public let path: String
  public let expected: String
  /// The system's message, or what is there instead.
  public let found: String
  /// What to do about it.
  public let remedy: String

  /// What in the file, or which step, the error is about.
  package var place: String {
    if case .tooLarge = kind { "file size" } else { operation.rawValue }
  }

  public var description: String {
    faultLine(file: path, place: place, expected: expected, found: found, remedy: remedy)
  }
}

extension FileError {
  /// What the last system call says of opening `path`.
  static func opening(_ path: String, expected: String = "a readable file") -> FileError {
    let code = errno
    return FileError(
      kind: code == ENOENT || code == ENOTDIR ? .missing : .unreadable, operation: .opening, path: path,
      expected: expected, found: systemMessage(code), remedy: "check the path and its permissions")
  }

  static func notRegular(_ path: String, mode: mode_t) -> FileError {
    FileError(
      kind: .notRegular, operation: .opening, path: path, expected: "a regular file",
      found: mode & S_IFMT == S_IFDIR ? "a folder" : "a pipe or device", remedy: "name the file itself")
  }

  static func tooLarge(_ path: String, limit: Int, found: String) -> FileError {
    FileError(
      kind: .tooLarge(limit: limit), operation: .reading, path: path, expected: "at most \(limit) bytes", found: found,
      remedy: "check that this is the file that was meant")
  }

  /// What the last system call says of writing `path`.
  static func unwritable(_ path: String, expected: String = "a writable folder with room") -> FileError {
    FileError(
      kind: .unwritable, operation: .writing, path: path, expected: expected, found: systemMessage(errno),
      remedy: "check the folder, its permissions and the free space")
  }

  /// There is a file at `path` that may not be replaced.
  package static func exists(_ path: String) -> FileError {
    FileError(
      kind: .exists, operation: .writing, path: path, expected: "no file of this name", found: "one",
      remedy: "remove it, choose another name, or ask to overwrite")
  }
}

/// The system's message for the error `code`.
package func systemMessage(_ code: Int32) -> String {
  guard let message = unsafe strerror(code) else { return "error \(code)" }
  return unsafe String(cString: message)
}
