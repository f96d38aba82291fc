import Files
public import SafeTensors

/// What is wrong with a model, in one line: the file, the place in it, what was expected, what was found, and what to
/// do about it.
public struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Kind: Equatable, Sendable {
    /// The folder or a file that a model needs is not there.
    case missingFile
    /// A configuration that is not JSON, lacks a field, or holds a value out of range.
    case configuration
    /// A kind of model, or an option of it, that cannot be computed here yet.
    case unsupported
    /// A tensor that the configuration asks for is not in the weights.
    case missingTensor
    /// A tensor of another shape than the configuration asks for.
    case tensorShape
    /// A tensor that holds no floating-point numbers.
    case tensorType
    /// A canonical name that this model does not have.
    case unknownTensor
    /// A token id outside the vocabulary.
    case tokenID
    /// A name that is none of the known architectures.
    case unknownArchitecture
    /// A file that exists and may not be replaced.
    case exists
    /// The system failed to write.
    case cannotWrite
    /// The weight files themselves are faulty.
    case weights(SafeTensorsError.Kind)
  }

  public let kind: Kind
  /// Path of the file or folder.
  public let file: String
  /// Where in the file.
  public let place: String
  public let expected: String
  public let found: String
  /// What to do about it.
  public let remedy: String

  public init(_ kind: Kind, file: String, place: String, expected: String, found: String, remedy: String) {
    self.kind = kind
    self.file = file
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// The error of a weight file.
  public init(_ error: SafeTensorsError) {
    self.init(
      .weights(error.kind), file: error.file, place: error.place, expected: error.expected, found: error.found,
      remedy: error.remedy)
  }

  /// The error of a file that is no weight file.
  init(_ kind: Kind, _ error: FileError) {
    self.init(
      kind, file: error.path, place: error.place, expected: error.expected, found: error.found,
      remedy: error.remedy)
  }

  public var description: String {
    faultLine(file: file, place: place, expected: expected, found: found, remedy: remedy)
  }
}
