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
  private var lastSync = ContinuousClock.now

  /// How much time may pass before what was appended is on the disk. A process that is killed loses nothing in that
  /// time, a machine that is switched off may.
  private static let syncInterval = Duration.seconds(5)

  /// Opens the file at `path`, or makes an empty one; nil if another process has it.
  package static func open(_ path: String) throws(FileError) -> GrowingFile? {
    while true {
      let descriptor = unsafe Glibc.open(
        path.fileSystemBytes, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o666)
      if descriptor < 0, errno == EINTR { continue }
      guard descriptor >= 0 else { throw .unwritable(path) }
      var opened = stat()
      var named = stat()
      guard unsafe fstat(descriptor, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw .notRegular(path, mode: opened.st_mode)
      }
      let lock = lock(descriptor)
      if lock == EWOULDBLOCK {
        close(descriptor)
        return nil
      }
      // Whoever had it may have given it another name between the opening and the lock.
      guard unsafe stat(path.fileSystemBytes, &named) == 0, named.st_ino == opened.st_ino,
        named.st_dev == opened.st_dev,
        unsafe fstat(descriptor, &opened) == 0
      else {
        close(descriptor)
        continue
      }
      return GrowingFile(
        path, descriptor, size: opened.st_size, lockFault: lock == 0 ? nil : systemMessage(lock))
    }
  }

  private init(_ path: String, _ descriptor: Int32, size: Int, lockFault: String?) {
    self.path = path
    self.descriptor = descriptor
    self.size = size
    self.lockFault = lockFault
  }

  deinit { close(descriptor) }

  /// Keeps the first `size` bytes.
  package func cut(to size: Int) throws(FileError) {
    precondition(size >= 0 && size <= self.size)
    guard ftruncate(descriptor, size) == 0 else { throw .unwritable(path) }
    self.size = size
  }

  /// Appends `record`, all of it or, on an error, nothing. When it returns, the record survives the process.
  package func append(_ record: [UInt8]) throws(FileError) {
    try checkSize()
    guard unsafe record.withUnsafeBytes({ unsafe writeAll($0, to: descriptor) }) else {
      let error = FileError.unwritable(path)
      // What cannot be taken back here is an incomplete record for the next who opens the file.
      _ = ftruncate(descriptor, size)
      throw error
    }
    size += record.count
    if lastSync.duration(to: .now) >= Self.syncInterval {
      fdatasync(descriptor)
      lastSync = .now
    }
  }

  /// Gives the file the name `target` in the same folder, replacing a file of that name; returns when both are on the
  /// disk.
  package func publish(as target: String) throws(FileError) {
    try checkSize()
    guard fsync(descriptor) == 0, unsafe rename(path.fileSystemBytes, target.fileSystemBytes) == 0 else {
      throw .unwritable(target)
    }
    FileTree.syncFolder(of: target)
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
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno != EINTR { return errno }
    }
    return 0
  }
}
