import Files

/// What is wrong with a `.npy` file, in one line: the file, the place in it, what was expected, what was found, and
/// what to do about it.
public struct NpyError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Kind: String, Sendable, CaseIterable {
    /// The file does not exist or cannot be read.
    case cannotOpen
    /// A folder, a pipe or a device instead of a regular file.
    case notARegularFile
    /// More bytes than any array that is read here.
    case tooLarge
    /// Does not start with the format's magic bytes, or ends before its header does.
    case notNpy
    /// A version other than 1.0 and 2.0.
    case version
    /// A header that is not the dictionary the format asks for.
    case header
    /// Columns first in memory.
    case fortranOrder
    /// An element type that was not asked for.
    case elementType
    /// A shape whose size exceeds 64 bits, or has too many dimensions.
    case shape
    /// Another number of bytes than the shape needs.
    case size
    case cannotWrite
  }

  public let kind: Kind
  /// Path of the file.
  public let file: String
  /// Where in the file.
  public let place: String
  public let expected: String
  public let found: String
  /// What to do about it.
  public let remedy: String

  public var description: String {
    faultLine(file: file, place: place, expected: expected, found: found, remedy: remedy)
  }
}

extension NpyError {
  init(_ error: FileError) {
    let kind: Kind =
      switch error.kind {
      case .missing, .unreadable: .cannotOpen
      case .notRegular: .notARegularFile
      case .tooLarge: .tooLarge
      case .unwritable, .exists: .cannotWrite
      }
    self.init(
      kind: kind, file: error.path, place: error.place, expected: error.expected, found: error.found,
      remedy: error.remedy)
  }
}
