public import Failures
import Glibc
import Processes

/// Why a file could not be opened, read or written.
public typealias FileError = Fault<FileRule>

/// The rules of files.
public enum FileRule: FaultRule {
  /// Nothing has this name.
  case missing
  /// A folder, a pipe or a device instead of a regular file.
  case notRegular
  /// More bytes than the limit.
  case tooLarge(limit: Int)
  /// The system refuses to open the file.
  case unopenable
  /// The system fails to read the file.
  case unreadable
  /// The process or the machine has no more of what opening takes, whatever the file: descriptors, memory.
  case exhausted
  /// The system refuses to make or to write the file.
  case unwritable
  /// A file of this name is there and may not be replaced.
  case exists
  /// The process may not take the memory that the file needs.
  case outOfMemory

  public var kind: FailureKind { [.exhausted, .outOfMemory].contains(self) ? .memory : .input }

  fileprivate var place: String {
    switch self {
    case .missing, .notRegular, .unopenable, .exhausted: "opening"
    case .tooLarge: "file size"
    case .unreadable, .outOfMemory: "reading"
    case .unwritable, .exists: "writing"
    }
  }
}

extension Fault<FileRule> {
  init(_ rule: FileRule, _ path: String, expected: String, found: String, remedy: Message) {
    self.init(rule, file: path, place: rule.place, expected: expected, found: found, remedy: remedy)
  }

  /// Whether an error code says that the disk or the network fails, and nothing of the file.
  static func isOfDisk(_ code: Int32) -> Bool { [EIO, ESTALE, ETIMEDOUT].contains(code) }

  /// What the last system call says of opening `path`.
  static func opening(_ path: String, expected: String = "a readable file") -> FileError {
    let code = errno
    // Of sockets, and of devices without a driver.
    var status = stat()
    if code == ENXIO, unsafe stat(path.fileSystemBytes, &status) == 0 { return notRegular(path, mode: status.st_mode) }
    if code == ENOENT, let target = FileTree.deadLink(path) {
      return FileError(
        .missing, path, expected: expected, found: "a link to \(target), which is not there",
        remedy: "the download is incomplete; fetch the file again")
    }
    if [EMFILE, ENFILE, ENOMEM].contains(code) {
      return FileError(
        .exhausted, path, expected: expected, found: systemMessage(code),
        remedy: code == ENOMEM ? "end other programs" : "end other programs, or raise the limit of open files")
    }
    if isOfDisk(code) {
      return FileError(
        .unreadable, path, expected: expected, found: systemMessage(code), remedy: "check the disk, or the network")
    }
    return FileError(
      code == ENOENT || code == ENOTDIR ? .missing : .unopenable, path, expected: expected, found: systemMessage(code),
      remedy: "check the path and its permissions")
  }

  /// - Parameter takesPipes: whether a pipe that the process was started with would do.
  static func notRegular(_ path: String, mode: mode_t, takesPipes: Bool = false) -> FileError {
    return FileError(
      .notRegular, path, expected: "a regular file", found: kind(mode),
      remedy: takesPipes ? "name the file itself, or send it in as /dev/stdin" : "name the file itself")
  }

  /// What is at `path`, which a new file would take the place of.
  static func irreplaceable(_ path: String, found: String) -> FileError {
    FileError(
      .unwritable, path, expected: "a new file's name, or that of a file to replace", found: found,
      remedy: "choose another name")
  }

  /// What a file that is not regular is called.
  static func kind(_ mode: mode_t) -> String {
    switch mode & S_IFMT {
    case S_IFDIR: "a folder"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    default: "a device"
    }
  }

  static func tooLarge(_ path: String, limit: Int, found: String) -> FileError {
    FileError(
      .tooLarge(limit: limit), path, expected: "at most \(limit) bytes", found: found,
      remedy: "check that this is the file that was meant")
  }

  /// The memory that `bytes` of the file need is not to be had.
  static func outOfMemory(_ path: String, bytes: Int) -> FileError {
    FileError(
      .outOfMemory, path, expected: "memory for \(bytes) bytes",
      found: "less (\(max(0, MemoryAllowance.available() - MemoryAllowance.reserve)) bytes may still be taken)",
      remedy: "give the process more memory (its limits are those of ulimit -v, its container and the machine)")
  }

  /// What the last system call says of writing `path`.
  static func unwritable(_ path: String, expected: String = "a writable folder with room") -> FileError {
    FileError(
      .unwritable, path, expected: expected, found: systemMessage(errno),
      remedy: "check the folder, its permissions and the free space")
  }

  /// There is a file at `path` that may not be replaced.
  package static func exists(_ path: String) -> FileError {
    FileError(
      .exists, path, expected: "no file of this name", found: "one",
      remedy: "remove it, choose another name, or ask to overwrite")
  }
}

/// The system's message for the error `code`.
package func systemMessage(_ code: Int32) -> String {
  guard let message = unsafe strerror(code) else { return "error \(code)" }
  return unsafe String(cString: message)
}
