import Glibc

/// A hidden file beside its target that takes the target's name when it is complete.
final class TemporaryFile: Sendable {
  private let target: String
  private let path: String
  private let descriptor: Int32

  init(target: String) throws(SafeTensorsError) {
    let slash = target.lastIndex(of: "/").map { target.index(after: $0) } ?? target.startIndex
    let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
    path = target[..<slash] + "." + target[slash...] + "." + suffix + ".tmp"
    self.target = target
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.failure(target) }
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
    _ = unsafe unlink(path)
  }

  func write(_ bytes: [UInt8]) throws(SafeTensorsError) {
    var failed: SafeTensorsError?
    unsafe bytes.withUnsafeBytes { buffer in
      do throws(SafeTensorsError) { try unsafe write(buffer) } catch { failed = error }
    }
    if let failed { throw failed }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(SafeTensorsError) {
    var start = 0
    while start < bytes.count {
      let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + start, bytes.count - start)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure(target) }
      start += count
    }
  }

  /// Flushes the file to the disk and gives it its name.
  func commit(overwrite: Bool) throws(SafeTensorsError) {
    guard fsync(descriptor) == 0 else { throw Self.failure(target) }
    // A link fails where a rename would replace a file that appeared meanwhile; not every file system has links.
    if unsafe overwrite || link(path, target) != 0 {
      if !overwrite, unsafe errno == EEXIST || access(target, F_OK) == 0 { throw Self.exists(target) }
      guard unsafe rename(path, target) == 0 else { throw Self.failure(target) }
    }
    let slash = target.lastIndex(of: "/")
    let folder = unsafe open(slash.map { String(target[...$0]) } ?? ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  static func exists(_ path: String) -> SafeTensorsError {
    SafeTensorsError(
      .exists, file: path, place: "writing", expected: "no file of this name", found: "one",
      remedy: "remove it, choose another name, or ask to overwrite")
  }

  private static func failure(_ path: String) -> SafeTensorsError {
    SafeTensorsError(
      .cannotWrite, file: path, place: "writing", expected: "a writable folder with room", found: systemMessage(),
      remedy: "check the folder, its permissions and the free space")
  }
}
