internal import Glibc

/// Files that appear whole or not at all.
public enum AtomicFile {
  /// Writes `bytes` to a temporary file in the same folder, then renames it over `path`. A file that was there is
  /// replaced; on any error it is left as it was and the temporary file is removed.
  public static func write(_ bytes: [UInt8], to path: String) throws(ImageError) {
    let (temporary, descriptor) = try create(beside: path)
    var isOpen = true
    do throws(ImageError) {
      try writeAll(bytes, to: descriptor, path: path)
      isOpen = false
      guard close(descriptor) == 0 else {
        throw unwritable(path, "the file cannot be closed", errno)
      }
      guard unsafe rename(temporary, path) == 0 else {
        throw unwritable(path, "the finished file cannot take its name", errno)
      }
    } catch {
      if isOpen { close(descriptor) }
      unsafe unlink(temporary)
      throw error
    }
  }

  /// A new file next to `path`, whose name nobody else has.
  private static func create(beside path: String) throws(ImageError) -> (path: String, descriptor: Int32) {
    var lastError = EEXIST
    for _ in 0..<100 {
      let suffix = String(UInt64.random(in: 0...(.max)), radix: 36)
      let temporary = "\(path).\(suffix).tmp"
      let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        return (temporary, descriptor)
      }
      lastError = errno
      guard lastError == EEXIST || lastError == EINTR else { break }
    }
    throw unwritable(path, "a file cannot be made in this folder", lastError)
  }

  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(ImageError) {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw unwritable(path, "the file cannot be written", errno)
      }
      offset += count
    }
  }

  private static func unwritable(_ path: String, _ failure: String, _ code: Int32) -> ImageError {
    ImageError(
      kind: .unwritable, file: path, failure: failure,
      expected: "a folder that can be written to, with room for the file",
      found: FileBytes.systemMessage(code), remedy: "choose another folder or make room")
  }
}
