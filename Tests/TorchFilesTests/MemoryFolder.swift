import FoundationEssentials

/// A folder for files that are written by the thousand: in memory where the system has a place for that, since a disk
/// takes milliseconds for each.
final class MemoryFolder {
  let path: String

  init() throws {
    let shared = "/dev/shm"
    let parent =
      FileManager.default.isWritableFile(atPath: shared) ? shared : FileManager.default.temporaryDirectory.path
    path = parent + "/legrad-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Replaces the one file in the folder, and returns its path.
  func write(_ bytes: [UInt8]) throws -> String {
    let file = path + "/changed.pt"
    try Data(bytes).write(to: URL(filePath: file))
    return file
  }
}
