#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads whole files with a limit that is checked before anything is allocated.
enum FileBytes {
  /// Whether `path` names something that exists (a folder counts; reading it then fails with a reason).
  static func exists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
  }

  /// The bytes of the regular file at `path`.
  /// - Throws: `.unreadable` when it is no regular file or a system call fails, `.tooLarge` beyond `limit` bytes.
  static func read(_ path: String, limit: Int) throws(TokenizerError) -> [UInt8] {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path, found: systemMessage(errno)) }
    defer { close(descriptor) }

    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw unreadable(path, found: systemMessage(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw unreadable(path, found: "a folder or device") }
    guard status.st_size <= limit else {
      throw TokenizerError.tooLarge(path, limit: limit, found: "\(status.st_size)")
    }

    // One byte more than the size, so that a file that grows meanwhile is noticed.
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
    var filled = 0
    while filled < bytes.count {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe readSome(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, buffer.count - filled)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw unreadable(path, found: systemMessage(errno))
      }
      if count == 0 { break }
      filled += count
    }
    guard filled < bytes.count else { throw unreadable(path, found: "a file that grew while it was read") }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  /// The file as text.
  /// - Throws: as ``read(_:limit:)``, and `.notUTF8`.
  static func readText(_ path: String, limit: Int) throws(TokenizerError) -> String {
    try text(read(path, limit: limit), file: path)
  }

  static func text(_ bytes: [UInt8], file: String) throws(TokenizerError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TokenizerError(
        reason: .notUTF8, file: file, expected: "UTF-8 text", found: "bytes that are not",
        remedy: TokenizerError.replaceFile)
    }
    return text
  }

  private static func unreadable(_ path: String, found: String) -> TokenizerError {
    TokenizerError(
      reason: .unreadable, file: path, expected: "a readable file", found: found,
      remedy: "check the path and its permissions")
  }

  private static func systemMessage(_ code: Int32) -> String {
    guard let message = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: message)
  }
}

/// The system's `read`, under a name that the method above does not hide.
private func readSome(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  unsafe read(descriptor, buffer, count)
}
