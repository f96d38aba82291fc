public import Failures
package import Files
import StrictJSON

/// What is wrong with a weight file.
public typealias SafeTensorsError = Fault<SafeTensorsRule>

/// The rules of weight files.
public enum SafeTensorsRule: String, FaultRule, CaseIterable {
  /// The file does not exist or may not be read.
  case cannotOpen
  /// A folder, a pipe or a device instead of a regular file.
  case notARegularFile
  /// The system failed to read bytes that the file should have; the file may have been cut while in use.
  case cannotRead
  /// A text or an archive of another kind.
  case notWeights
  /// Fewer than the 8 bytes of the header's length.
  case tooShort
  /// A header length of zero, over the limit, or over the file.
  case headerLength
  /// A header that is not UTF-8.
  case notUTF8
  /// JSON that breaks the grammar or does not have the form of the format.
  case syntax
  /// One key stands twice in one JSON object.
  case duplicateKey
  /// Too deep, too many values, too many dimensions or too large a file.
  case limit
  /// A tensor name with control characters.
  case tensorName
  /// An element type that the format does not have.
  case elementType
  /// A length or an offset that is not a non-negative integer.
  case number
  /// A shape whose element or byte count exceeds 64 bits.
  case overflow
  /// Offsets that do not span exactly the bytes of the shape.
  case byteCount
  /// An end before its begin.
  case offsetOrder
  /// Offsets beyond the end of the file.
  case outOfFile
  /// Bytes that belong to two tensors.
  case overlap
  /// Bytes between two tensors that belong to neither.
  case gap
  /// Bytes after the last tensor.
  case uncoveredTail
  /// `__metadata__` that is not an object of strings.
  case metadata
  /// A name that the file does not have.
  case missingTensor
  /// A tensor of another shape than asked for.
  case shape
  /// A tensor that does not hold floating-point numbers this reader widens.
  case notFloats
  /// A NaN or an infinity among the weights, or a number too large for the type.
  case nonFinite
  /// A row index outside the tensor.
  case rowIndex
  /// An index that names a file outside its folder.
  case unsafePath
  /// An index that disagrees with its files.
  case index
  /// A folder without weights.
  case noWeights
  /// A file that exists and may not be replaced.
  case exists
  /// The system failed to write.
  case cannotWrite
  /// The process may not take the memory that the tensor needs.
  case outOfMemory

  public var kind: FailureKind { self == .outOfMemory ? .memory : .input }
}

extension Fault<SafeTensorsRule> {
  package init(_ error: FileError) {
    let rule: SafeTensorsRule =
      switch error.rule {
      case .missing, .unopenable, .exhausted: .cannotOpen
      case .notRegular: .notARegularFile
      case .tooLarge: .limit
      case .unreadable: .cannotRead
      case .unwritable: .cannotWrite
      case .exists: .exists
      case .outOfMemory: .outOfMemory
      }
    self.init(rule, error)
  }

  /// The JSON error of `file`, which calls its text `text` ("header", "index").
  init(_ error: JSONError, file: String, text: String) {
    let rule: SafeTensorsRule =
      switch error.kind {
      case .notUTF8: .notUTF8
      case .syntax: .syntax
      case .duplicateKey: .duplicateKey
      case .limit: .limit
      }
    self.init(
      rule, file: file, place: "\(text) byte \(error.offset)", expected: error.expected, found: error.found,
      remedy: "the file is damaged or not what its name says; fetch it again")
  }
}
