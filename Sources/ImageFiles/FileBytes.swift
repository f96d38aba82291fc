internal import Glibc

/// Whole files as bytes.
enum FileBytes {
  /// Reads a file, or a pipe to its end, refusing to go past `limit` bytes.
  static func read(path: String, limit: Int) throws(ImageError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw unreadable(path, failure: "the file cannot be opened", code: errno)
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var status = stat()
    if unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
      guard status.st_size <= limit else {
        throw tooLong(path, limit: limit, found: "\(status.st_size)")
      }
      bytes.reserveCapacity(Int(status.st_size))
    }
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = unsafe Glibc.read(descriptor, &piece, piece.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw unreadable(path, failure: "the file cannot be read", code: errno)
      }
      if count == 0 {
        return bytes
      }
      guard bytes.count + count <= limit else {
        throw tooLong(path, limit: limit, found: "more")
      }
      bytes.append(contentsOf: piece[..<count])
    }
  }

  static func systemMessage(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }

  private static func unreadable(_ path: String, failure: String, code: Int32) -> ImageError {
    ImageError(
      kind: .unreadable, file: path, failure: failure, expected: "a PNG or JPEG file", found: systemMessage(code),
      remedy: "check the path and its permissions")
  }

  private static func tooLong(_ path: String, limit: Int, found: String) -> ImageError {
    ImageError(
      kind: .tooLarge, file: path, failure: "the file is too long", expected: "at most \(limit) bytes",
      found: found, remedy: "raise the limit if the file is trusted")
  }
}
