import Failures
import Glibc
import Synchronization

/// A hidden file beside its target that takes the target's name when it is complete, and is removed when it is dropped
/// before.
package struct TemporaryFile: ~Copyable {
  private let target: String
  private let path: String
  /// -1 once it is closed.
  private var descriptor: Int32

  /// Makes an empty file beside `target`, which need not exist.
  package init(target: String) throws(FileError) { try self.init(target: target, mode: 0o666) }

  /// - Parameter mode: see `AtomicFile`.
  init(target: String, mode: mode_t) throws(FileError) {
    if let obstacle = Self.obstacle(at: target) { throw .irreplaceable(target, found: obstacle) }
    // Bytes, as a mark that combines with a slash makes another character of it.
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")).map { target.utf8.index(after: $0) } ?? target.startIndex
    let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
    let path = target[..<slash] + "." + target[slash...] + "." + suffix + ".tmp"
    let descriptor = uninterrupted {
      unsafe open(path.fileSystemBytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    }
    guard descriptor >= 0 else { throw .unwritable(target) }
    self.target = target
    self.path = path
    self.descriptor = descriptor
    Self.begun.withLock { $0.append(path) }
  }

  /// What stands at a path that a file must not take the place of: whoever may write in `/dev` would lose a device, or the
  /// link to what the process has open.
  private static func obstacle(at path: String) -> String? {
    var status = stat()
    guard unsafe lstat(path.fileSystemBytes, &status) == 0 else { return nil }
    if status.st_mode & S_IFMT == S_IFLNK {
      var start = [UInt8](repeating: 0, count: 6)
      let count = unsafe start.withUnsafeMutableBytes { bytes in
        unsafe readlink(path.fileSystemBytes, bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count)
      }
      if count == start.count, start.elementsEqual("/proc/".utf8) { return "a link to what this process has open" }
      // One that leads nowhere is replaced.
      guard unsafe stat(path.fileSystemBytes, &status) == 0 else { return nil }
    }
    return status.st_mode & S_IFMT == S_IFREG ? nil : FileError.kind(status.st_mode)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    _ = unsafe unlink(path.fileSystemBytes)
    Self.begun.withLock { begun in
      if let place = begun.lastIndex(where: { $0.utf8.elementsEqual(path.utf8) }) { begun.remove(at: place) }
    }
  }

  /// Paths of the files that are still to get their names.
  private static let begun = Mutex<[String]>([])

  /// Removes what this process has begun, for its end in the middle of that: writing on leads nowhere.
  package static func removeAll() {
    for path in begun.withLock({ $0 }) { unsafe unlink(path.fileSystemBytes) }
  }

  /// Appends `bytes`.
  package func write(_ bytes: [UInt8]) throws(FileError) {
    var failed: FileError?
    unsafe bytes.withUnsafeBytes { buffer in
      do throws(FileError) { try unsafe write(buffer) } catch { failed = error }
    }
    if let failed { throw failed }
  }

  /// Appends `bytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard unsafe writeAll(bytes, to: descriptor) else { throw .unwritable(target) }
  }

  /// Closes the file, whose name is still to come: it keeps no descriptor meanwhile.
  package mutating func seal() throws(FileError) {
    let closing = close(descriptor)
    descriptor = -1
    // Some file systems report here what could not be written; a signal is no such report.
    guard closing == 0 || errno == EINTR else { throw .unwritable(target) }
  }

  /// Gives the file its name.
  /// - Parameters:
  ///   - overwrite: replaces a file of that name; without, one that is there or appears meanwhile is kept.
  ///   - durably: returns when file and name are on the disk; not of a sealed file.
  package consuming func commit(overwrite: Bool, durably: Bool) throws(FileError) {
    guard !durably || isSynced(fsync, descriptor) else { throw .unwritable(target) }
    if descriptor >= 0 { try seal() }
    // A link fails where a rename would replace a file that appeared meanwhile; not every file system has links.
    if unsafe overwrite || link(path.fileSystemBytes, target.fileSystemBytes) != 0 {
      if !overwrite, unsafe errno == EEXIST || access(target.fileSystemBytes, F_OK) == 0 { throw .exists(target) }
      guard unsafe rename(path.fileSystemBytes, target.fileSystemBytes) == 0 else { throw .unwritable(target) }
    }
    if durably { try FileTree.syncFolder(of: target) }
  }
}

/// Writes `bytes` at the descriptor's place; false where the system refuses a part of them, which `errno` explains.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
  var start = 0
  while start < bytes.count {
    let count = uninterrupted {
      unsafe Glibc.write(descriptor, bytes.baseAddress! + start, bytes.count - start)
    }
    guard count > 0 else { return false }
    start += count
  }
  return true
}

/// Brings what was written to the disk by `call`, fsync or fdatasync; false where that failed, which `errno` explains. A
/// file system that knows no such thing (EINVAL, ENOTSUP; EBADF of folders on some networks) has done what it can.
func isSynced(_ call: (Int32) -> Int32, _ descriptor: Int32) -> Bool {
  uninterrupted { call(descriptor) } == 0 || [EINVAL, ENOTSUP, EBADF].contains(errno)
}
