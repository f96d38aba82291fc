public import Failures
internal import Files

/// What is wrong with a picture that could not be read, decoded or encoded.
public typealias ImageError = Fault<ImageRule>

/// The rules of pictures.
public enum ImageRule: FaultRule {
  /// The file cannot be opened or read.
  case unreadable
  /// Of no format that is read, or a variant of one that is not supported.
  case unsupported
  /// The bytes break the rules of their format, or end early.
  case corrupt
  /// More pixels or bytes than the limit.
  case tooLarge
  case outOfMemory
  /// The format's library is not on this machine.
  case noLibrary
  /// The confined process that decodes pictures has ended, or answers what it should not.
  case decoderLost
  /// Pictures are to be decoded in a confined process, and there can be none here.
  case noSandbox
  /// The process or the machine has no more of what opening takes, whatever the file: descriptors, memory.
  case exhausted

  public var kind: FailureKind {
    switch self {
    case .outOfMemory, .exhausted: .memory
    case .noSandbox: .usage
    default: .input
    }
  }
}

extension Fault<ImageRule> {
  /// The error of reading a file whole.
  init(_ error: FileError) {
    if case .tooLarge = error.rule {
      self.init(
        .tooLarge, file: error.file, place: "the file is too long", expected: error.expected, found: error.found,
        remedy: error.remedy)
    } else if error.rule == .outOfMemory {
      self.init(
        .outOfMemory, file: error.file, place: "the file is too long for the memory", expected: error.expected,
        found: error.found, remedy: error.remedy)
    } else {
      let verb = error.rule == .unreadable ? "read" : "opened"
      self.init(
        error.rule == .exhausted ? .exhausted : .unreadable, file: error.file, place: "the file cannot be \(verb)",
        expected: "a picture", found: error.found, remedy: error.remedy)
    }
  }
}
