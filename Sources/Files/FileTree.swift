import Failures
import Glibc

/// Folders and what is in them.
package enum FileTree {
  /// The path of `name` in `folder`.
  package static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// Whether there is something at `path`, be it a file or not, or a link that leads nowhere: who opens that learns more.
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path.fileSystemBytes, &status) == 0
  }

  /// Where the symbolic link at `path` leads, if that is nowhere; nil for anything else.
  package static func deadLink(_ path: String) -> String? {
    guard unsafe access(path.fileSystemBytes, F_OK) != 0 else { return nil }
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink(path.fileSystemBytes, &target, target.count)
    return count > 0 ? FilePath(bytes: target[..<count].map { UInt8(bitPattern: $0) }).text : nil
  }

  /// Whether there is a folder at `path`, or a link that leads to one.
  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path.fileSystemBytes, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The path with every symbolic link followed; nil when it leads nowhere.
  package static func resolved(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path.fileSystemBytes, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe FilePath(cString: resolved).text
  }

  /// Names of the entries of `folder`.
  package static func names(in folder: String) throws(FileError) -> Set<FilePath> {
    guard let stream = unsafe opendir(folder.fileSystemBytes) else {
      throw .opening(folder, expected: "a readable folder")
    }
    defer { unsafe closedir(stream) }
    var names: Set<FilePath> = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe FilePath(bytes: bytes.prefix { $0 != 0 })
      }
      if name != ".", name != ".." { names.insert(name) }
    }
    return names
  }

  /// Makes `folder` and those above it, unless they exist.
  /// - Parameter isPrivate: those that are made are for this user alone.
  /// - Returns: the folders that were made, the outermost first.
  @discardableResult
  package static func create(folder: String, isPrivate: Bool = false) throws(FileError) -> [String] {
    guard !folder.isEmpty else {
      errno = ENOENT
      throw .unwritable(folder)
    }
    var made: [String] = []
    var partial = folder.hasPrefix("/") ? "/" : ""
    for part in FilePath(folder).parts {
      partial += part.text + "/"
      if unsafe mkdir(partial.fileSystemBytes, isPrivate ? 0o700 : 0o777) == 0 {
        made.append(partial)
      } else if errno != EEXIST {
        throw .unwritable(folder)
      } else if !isFolder(partial) {
        throw FileError(
          .unwritable, folder, expected: "a folder", found: "a file of that name is in the way",
          remedy: "remove it, or choose another folder")
      }
    }
    return made
  }

  /// Why nothing can be written in `folder`, or it cannot be made, in the system's words; nil where it can.
  package static func obstacle(toWritingIn folder: String) -> String? {
    var place = folder
    while !exists(place) {
      guard let slash = place.utf8.lastIndex(of: UInt8(ascii: "/")) else {
        place = "."
        break
      }
      place = slash == place.startIndex ? "/" : String(place[..<slash])
    }
    guard isFolder(place) else { return "\(place) is no folder" }
    guard unsafe access(place.fileSystemBytes, W_OK | X_OK) != 0 else { return nil }
    return unsafe String(cString: strerror(errno))
  }

  /// Returns when names that were given or taken in the folder of `path` are on the disk, where the system can tell.
  static func syncFolder(of path: String) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = unsafe open(
      (slash.map { String(path[...$0]) } ?? ".").fileSystemBytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}
