package import Failures
import Files

/// What is wrong with a `.npy` file.
package typealias NpyError = Fault<NpyRule>

/// The rules of `.npy` files.
package enum NpyRule: String, FaultRule, CaseIterable {
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
  /// The process may not take the memory that the file needs.
  case outOfMemory

  package var kind: FailureKind { self == .outOfMemory ? .memory : .input }
}

extension Fault<NpyRule> {
  init(_ error: FileError) {
    let rule: NpyRule =
      switch error.rule {
      case .missing, .unopenable, .exhausted, .unreadable: .cannotOpen
      case .notRegular: .notARegularFile
      case .tooLarge: .tooLarge
      case .unwritable, .exists: .cannotWrite
      case .outOfMemory: .outOfMemory
      }
    self.init(rule, error)
  }
}
