import Failures
import Files
import Glibc

/// Questions about paths, and folders to write in.
enum FileSystem {
  enum Kind: Equatable {
    case file, folder, other
  }

  /// What is at a path, links followed; nil for nothing.
  static func kind(of path: String) -> Kind? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  /// Whether a directory entry exists, even a link that leads nowhere.
  static func entryExists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }

  /// The last part of a path.
  static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// The last part of a path without its extension.
  static func stem(of path: String) -> String {
    let name = name(of: path)
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }

  /// Makes a folder and those above it, unless they exist, and checks that files can be made in it.
  /// - Returns: the folders that were made, the outermost first.
  @discardableResult
  static func makeWritableFolder(_ path: String) throws(Failure) -> [String] {
    let made: [String]
    do { made = path.isEmpty ? [] : try FileTree.create(folder: path) } catch {
      throw .badFile("\(path): the output folder cannot be made: \(error.found); choose another with -o")
    }
    guard unsafe access(path.isEmpty ? "." : path, W_OK | X_OK) == 0 else {
      throw .badFile("\(path): the output folder cannot be written to: \(systemMessage(errno)); choose another with -o")
    }
    return made
  }

  /// Removes those of the folders that nothing was written into.
  static func removeEmpty(_ folders: [String]) {
    for folder in folders.reversed() { unsafe rmdir(folder) }
  }

  /// Why an image cannot be read, as far as that is known without opening it.
  static func unreadableReason(_ path: String) -> String? {
    switch kind(of: path) {
    case nil: systemMessage(errno)
    case .folder: "it is a folder; name the pictures in it"
    case .file, .other: unsafe access(path, R_OK) == 0 ? nil : systemMessage(errno)
    }
  }
}
