import Failures
import Glibc

/// SHA-256 of whole files, found again as long as nobody wrote to them.
package enum FileHash {
  /// A file that was written to this short a time ago may be written to again without a new time: the coarsest clock of
  /// file systems has steps of two seconds (FAT).
  private static let settlingSeconds = 3

  /// The hash of the files at `paths`, one after the other, in hexadecimal: what `sha256sum` says of a single file.
  /// - Parameter cacheFolder: where it is kept under the files' stamps, and looked for first; nil reads every byte.
  package static func of(_ paths: [String], cacheFolder: String? = nil) throws(FileError) -> String {
    try of(paths, cacheFolder: cacheFolder, now: time(nil))
  }

  /// - Parameter now: the system's clock, in seconds.
  static func of(_ paths: [String], cacheFolder: String?, now: Int) throws(FileError) -> String {
    let cache = cacheFolder.map { SealedCache(folder: $0, fileExtension: "hash", sizeLimit: 1 << 10) }
    let stamps = cache == nil ? nil : stamps(of: paths)
    if let cache, let stamps, let kept = cache.content(parts(stamps)) { return String(decoding: kept, as: UTF8.self) }
    var hash = SHA256()
    for path in paths {
      let file = try FileBytes(path: path, mapped: false)
      try unsafe file.forEachChunk(of: 0..<file.size) { chunk in
        unsafe hash.update(chunk)
        return true
      }
    }
    let text = hash.finish()
    if let cache, let stamps, stamps.allSatisfy({ $0.isSettled(at: now - settlingSeconds) }),
      stamps == Self.stamps(of: paths)
    {
      cache.keep(Array(text.utf8), parts(stamps))
    }
    return text
  }

  static func stamps(of paths: [String]) -> [FileStamp]? {
    let stamps = paths.compactMap(FileStamp.init)
    return stamps.count == paths.count && !stamps.isEmpty ? stamps : nil
  }

  static func parts(_ stamps: [FileStamp]) -> [String] { ["hash of files", "1"] + stamps.flatMap(\.fields) }
}

/// Which file a path leads to, and when it was changed last.
///
/// The time of the last change of the inode is part of it, which no program can set: a file with an old date is noticed.
/// What a file system changes by itself, or a program through a map of the file that it holds open all the time, is not.
struct FileStamp: Equatable {
  let fields: [String]
  private let changed: Int

  /// Nil where there is no such file.
  init?(_ path: String) {
    var status = stat()
    guard unsafe stat(path.fileSystemBytes, &status) == 0 else { return nil }
    let numbers: [Int] = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), status.st_size,
      status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
    ]
    fields = numbers.map { String($0) }
    changed = max(status.st_mtim.tv_sec, status.st_ctim.tv_sec)
  }

  /// Whether the file was not changed after `seconds`, by the system's clock.
  func isSettled(at seconds: Int) -> Bool { changed <= seconds }
}
