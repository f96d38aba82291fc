import Failures
import Glibc

/// A file that grows a record at a time and takes its final name when it is complete. One process at a time has it; the
/// system takes it away from a process that ends, however it ends.
package final class GrowingFile {
  package let path: String
  /// Bytes that are in the file.
  package private(set) var size: Int
  /// Why the system cannot keep other processes from the file, in its words; nil where it does.
  package let lockFault: String?
  private let descriptor: Int32
  private let sync: RecordSync
  private var lastSync = ContinuousClock.now

  /// Opens the file at `path`, or makes an empty one; nil if another process has it.
  package static func open(_ path: String, sync: RecordSync = .everyFiveSeconds) throws(FileError) -> GrowingFile? {
    while true {
      let descriptor = uninterrupted {
        unsafe Glibc.open(path.fileSystemBytes, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o666)
      }
      guard descriptor >= 0 else { throw .unwritable(path) }
      var opened = stat()
      var named = stat()
      guard unsafe fstat(descriptor, &opened) == 0 else {
        let error = FileError.unwritable(path)
        close(descriptor)
        throw error
      }
      guard opened.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw .notRegular(path, mode: opened.st_mode)
      }
      let lock = lock(descriptor)
      if lock == EWOULDBLOCK {
        close(descriptor)
        return nil
      }
      // Whoever had it may have given it another name between the opening and the lock.
      let isThere = unsafe stat(path.fileSystemBytes, &named) == 0
      guard isThere || errno == ENOENT, unsafe fstat(descriptor, &opened) == 0 else {
        let error = FileError.unwritable(path)
        close(descriptor)
        throw error
      }
      guard isThere, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev else {
        close(descriptor)
        continue
      }
      let file = GrowingFile(
        path, descriptor, size: opened.st_size, sync, lockFault: lock == 0 ? nil : systemMessage(lock))
      // Records in a file without a name would be lost with it.
      if opened.st_size == 0, sync != .never { try FileTree.syncFolder(of: path) }
      return file
    }
  }

  private init(_ path: String, _ descriptor: Int32, size: Int, _ sync: RecordSync, lockFault: String?) {
    self.path = path
    self.descriptor = descriptor
    self.size = size
    self.sync = sync
    self.lockFault = lockFault
  }

  deinit { close(descriptor) }

  /// Keeps the first `size` bytes.
  package func cut(to size: Int) throws(FileError) {
    precondition(size >= 0 && size <= self.size)
    guard uninterrupted({ ftruncate(descriptor, size) }) == 0 else { throw .unwritable(path) }
    self.size = size
  }

  /// Appends `record`, all of it or, on an error, nothing. When it returns, the record survives the process, and the
  /// machine as far as `RecordSync` says.
  package func append(_ record: [UInt8]) throws(FileError) {
    try checkSize()
    guard unsafe record.withUnsafeBytes({ unsafe writeAll($0, to: descriptor) }), syncIfDue() else {
      let error = FileError.unwritable(path)
      // What cannot be taken back here is an incomplete record for the next who opens the file, or one more.
      _ = uninterrupted { ftruncate(descriptor, size) }
      throw error
    }
    size += record.count
  }

  private func syncIfDue() -> Bool {
    guard sync.isDue(after: lastSync.duration(to: .now)) else { return true }
    guard isSynced(fdatasync, descriptor) else { return false }
    lastSync = .now
    return true
  }

  /// Gives the file the name `target` in the same folder, replacing a file of that name; returns when both are on the
  /// disk.
  package func publish(as target: String) throws(FileError) {
    try checkSize()
    guard isSynced(fsync, descriptor), unsafe rename(path.fileSystemBytes, target.fileSystemBytes) == 0 else {
      throw .unwritable(target)
    }
    try FileTree.syncFolder(of: target)
  }

  /// Removes the file.
  package func remove() { _ = unsafe unlink(path.fileSystemBytes) }

  /// Where a file system has no locks, another process shows in the size.
  private func checkSize() throws(FileError) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .unwritable(path) }
    guard status.st_size == size else {
      throw FileError(
        .unwritable, path, expected: "\(size) bytes", found: "\(status.st_size)",
        remedy: "another process writes to the file; end it, remove the file and start again")
    }
  }

  /// Takes the file for this process alone.
  /// - Returns: 0, EWOULDBLOCK if another process has it, or why it cannot be taken. File systems of networks have many
  ///   ways to say that they have no locks (ENOLCK, ENOSYS, EOPNOTSUPP, EBADF, even 524, which C has no name for), and
  ///   none says more of the file than that.
  private static func lock(_ descriptor: Int32) -> Int32 {
    uninterrupted { flock(descriptor, LOCK_EX | LOCK_NB) } == 0 ? 0 : errno
  }
}

/// When records are brought to the disk. A process that is killed loses none of them, a machine that is switched off may.
package enum RecordSync: Sendable {
  /// Each is on the disk when it has been appended.
  case everyRecord
  /// Those of before are brought there by the first that comes five seconds or more after the last time.
  case everyFiveSeconds
  /// Left to the system until the file takes its final name.
  case never

  fileprivate func isDue(after duration: Duration) -> Bool {
    switch self {
    case .everyRecord: true
    case .everyFiveSeconds: duration >= .seconds(5)
    case .never: false
    }
  }
}
