import Failures
import Files
import LeGrad
import Synchronization

/// Files that get their names together: an image has all of them or none.
final class FileSet: Sendable {
  private let pending = Mutex<[PendingFile]>([])

  /// Writes a file that has no name yet. Several threads may.
  func add(_ bytes: [UInt8], path: String) throws(LeGradError) {
    do {
      // None begins once a signal ends the process.
      let file = try Interruption.whileWriting { () throws(FileError) in try PendingFile(path) }
      try file.write(bytes)
      pending.withLock { $0.append(file) }
    } catch { throw LeGradError(error) }
  }

  /// Names the files, in the order in which they were added.
  func commit() throws(LeGradError) {
    let files = pending.withLock { pending in
      defer { pending = [] }
      return pending
    }
    do {
      try Interruption.whileWriting { () throws(FileError) in
        for file in files { try file.commit() }
      }
    } catch { throw LeGradError(error) }
  }
}

/// A file that is written and has no name, and is removed unless it gets one. Unchecked as one thread at a time has it: who
/// writes it, then who commits the set.
private final class PendingFile: @unchecked Sendable {
  private var file: TemporaryFile?

  init(_ path: String) throws(FileError) { file = try TemporaryFile(target: path) }

  func write(_ bytes: [UInt8]) throws(FileError) {
    try file?.write(bytes)
    try file?.seal()
  }

  func commit() throws(FileError) {
    guard let file = file.take() else { return }
    try file.commit(overwrite: true, durably: false)
  }
}
