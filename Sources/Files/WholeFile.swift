import Failures
import Glibc
import Processes

/// Whole files as bytes.
package enum WholeFile {
  private static let pieceSize = 1 << 18
  /// A file's bytes are there twice while an array grows, and beside what is made of them.
  private static let copies = 3
  /// Files that nobody asks the system for.
  private static let smallSize = 1 << 20

  /// The bytes of the file at `path`, which are refused beyond `limit`; a regular file of a larger size is refused
  /// before any is read. Symbolic links are followed.
  /// - Parameter allowingPipes: also reads a pipe or a terminal that this process was started with (`/dev/stdin`,
  ///   `/dev/fd/3`) to its end, waiting for the writer. All others are refused at once, and so are devices: they need not
  ///   end, nor ever begin.
  package static func read(
    _ path: String, limit: Int, allowingPipes: Bool = false
  ) throws(FileError) -> [UInt8] {
    try read(path, limit: limit, allowingPipes: allowingPipes) { _ in true }
  }

  /// - Parameter isWanted: asked with the open file's status; without its consent the file counts as missing.
  static func read(
    _ path: String, limit: Int, allowingPipes: Bool = false, if isWanted: (stat) -> Bool
  ) throws(FileError) -> [UInt8] {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let descriptor = uninterrupted {
      unsafe open(path.fileSystemBytes, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    }
    guard descriptor >= 0 else { throw .opening(path) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .opening(path) }
    let type = status.st_mode & S_IFMT
    let isPipe = type == S_IFIFO || type == S_IFSOCK || isatty(descriptor) == 1
    guard type == S_IFREG || allowingPipes && isPipe && isInherited(path) else {
      throw .notRegular(path, mode: status.st_mode, takesPipes: allowingPipes)
    }
    if isPipe { _ = fcntl(descriptor, F_SETFL, 0) }
    guard isWanted(status) else {
      errno = ENOENT
      throw .opening(path)
    }
    var bytes: [UInt8] = []
    if type == S_IFREG {
      guard status.st_size <= limit else { throw .tooLarge(path, limit: limit, found: "\(status.st_size)") }
      try reserve(status.st_size, in: &bytes, path)
    }
    // To the end, whatever the size said: a file may grow meanwhile, and the system's own files have size 0.
    var piece = [UInt8](repeating: 0, count: pieceSize)
    while true {
      let count = uninterrupted { unsafe Glibc.read(descriptor, &piece, piece.count) }
      guard count >= 0 else {
        throw FileError(
          .unreadable, path, expected: "a readable file",
          found: systemMessage(errno), remedy: "check the path and the disk")
      }
      if count == 0 { return bytes }
      guard count <= limit - bytes.count else { throw .tooLarge(path, limit: limit, found: "more") }
      if bytes.count + count > bytes.capacity { try reserve(2 * (bytes.count + count), in: &bytes, path) }
      bytes.append(contentsOf: piece[..<count])
    }
  }

  private static func reserve(_ size: Int, in bytes: inout [UInt8], _ path: String) throws(FileError) {
    guard size < smallSize || MemoryAllowance.canTake(copies * size) else { throw .outOfMemory(path, bytes: size) }
    bytes.reserveCapacity(size)
  }

  /// Whether the path names a descriptor of this process: who opened that knows its writer.
  private static func isInherited(_ path: String) -> Bool {
    ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"].contains(where: path.hasPrefix)
  }
}
