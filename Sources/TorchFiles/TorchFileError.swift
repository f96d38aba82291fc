public import Failures
import Files
import SafeTensors

/// What is wrong with a weight file of PyTorch's.
public typealias TorchFileError = Fault<TorchFileRule>

/// The rules of PyTorch's weight files.
public enum TorchFileRule: String, FaultRule, CaseIterable {
  /// The file does not exist or may not be read.
  case cannotOpen
  /// A folder, a pipe or a device instead of a regular file.
  case notARegularFile
  /// The system failed to read bytes that the file should have; the file may have been cut while in use.
  case cannotRead
  /// Neither an archive nor a pickle nor a tar file.
  case notTorch
  /// A pickle without an archive around it, as PyTorch wrote before version 1.6.
  case legacyPickle
  /// A tar file, as PyTorch wrote before version 0.2.
  case tar
  /// An archive of TorchScript, which holds a program beside its tensors.
  case torchScript
  /// Directories or headers of the archive that are cut, or contradict the file or one another.
  case archive
  /// A compressed member.
  case compressed
  /// An encrypted member.
  case encrypted
  /// A member's name that is not UTF-8, holds control characters, or lies outside the archive's one folder.
  case memberName
  /// The same member twice.
  case duplicateMember
  /// A member beyond the end of the file.
  case outOfFile
  /// Bytes that belong to two members.
  case overlap
  /// A member that is not there.
  case missingMember
  /// A version of the archive's layout that this reader does not know.
  case version
  /// Numbers stored big-endian.
  case byteOrder
  /// More, larger or deeper than any weights are.
  case limit
  /// An opcode that PyTorch does not write.
  case opcode
  /// A class or function that weights do not need.
  case global
  /// Opcodes that end early, or that do not fit together.
  case pickle
  /// A storage that is not described as PyTorch does, or whose member has another size.
  case storage
  /// Arguments that describe no tensor.
  case tensor
  /// A tensor whose size exceeds 64 bits.
  case overflow
  /// A tensor that reaches beyond its storage, or shows an element of it so often that it is larger.
  case outOfStorage
  /// Two tensors of one name.
  case duplicateTensor
  /// A tensor's name that is empty, too long, or holds control characters.
  case tensorName
  /// Something that is neither a tensor nor a plain value among the tensors.
  case value
  /// No dictionary of tensors where one is looked for.
  case noTensors
  /// An index that disagrees with its files.
  case index
  /// Several weight files of which none has a name that says it is the model.
  case severalFiles
  /// The process may not take the memory that the file needs.
  case outOfMemory

  public var kind: FailureKind { self == .outOfMemory ? .memory : .input }
}

extension Fault<TorchFileRule> {
  init(_ error: FileError) {
    let rule: TorchFileRule =
      switch error.rule {
      case .missing, .unopenable, .exhausted, .unwritable, .exists: .cannotOpen
      case .notRegular: .notARegularFile
      case .tooLarge: .limit
      case .unreadable: .cannotRead
      case .outOfMemory: .outOfMemory
      }
    self.init(rule, error)
  }

  /// The error of an index.
  init(_ error: SafeTensorsError) { self.init(.index, error) }
}

/// Makes the errors of one file.
struct TorchFaults: Sendable {
  let path: String

  /// What no version of PyTorch writes.
  func damaged(_ rule: TorchFileRule, _ place: String, expected: String, found: String) -> TorchFileError {
    TorchFileError(
      rule, file: path, place: place, expected: expected, found: found,
      remedy: "the file is cut, damaged, or made by a faulty program; fetch or save it again")
  }

  /// What PyTorch may have written and is not read here.
  func unread(_ rule: TorchFileRule, _ place: String, expected: String, found: String) -> TorchFileError {
    let command = Message(ConversionCommand(path: path, isTorchScript: rule == .torchScript).line)
    let reason: Message = "nothing but tensors is read here, since the rest can run code; "
    return TorchFileError(
      rule, file: path, place: place, expected: expected, found: found,
      remedy: rule == .global || rule == .value
        ? reason + "save the model's state_dict() alone where the file was made, or where it is trusted and PyTorch "
          + "knows what is in it, convert it: " + command
        : reason + "where the file is trusted, convert it: " + command)
  }

  /// What can be read and has no weights where they are looked for.
  func unsuited(_ rule: TorchFileRule, _ place: String, expected: String, found: String) -> TorchFileError {
    TorchFileError(
      rule, file: path, place: place, expected: expected, found: found,
      remedy: "save the model's state_dict() alone: torch.save(model.state_dict(), 'pytorch_model.bin')")
  }
}
