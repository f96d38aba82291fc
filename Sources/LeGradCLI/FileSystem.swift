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
    var made: [String] = []
    var partial = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      partial += part + "/"
      if unsafe mkdir(partial, 0o777) == 0 {
        made.append(partial)
      } else if errno != EEXIST || kind(of: partial) != .folder {
        let reason = errno == EEXIST ? "a file of that name is in the way" : systemMessage(errno)
        throw .badFile("\(path): the output folder cannot be made: \(reason); choose another with -o")
      }
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

/// A text file of prompts, one per line.
enum PromptsFile {
  static let sizeLimit = 64 << 20

  /// The lines, with an empty last one dropped and line ends of either kind removed; a line is used as it is.
  static func read(_ path: String) throws(Failure) -> [String] {
    let bytes = try contents(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badFile("\(path): prompts file: expected UTF-8 text, found other bytes; save it as UTF-8")
    }
    var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
    if lines.first?.first == "\u{FEFF}" { lines[0].removeFirst() }
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    guard !lines.isEmpty else {
      throw .badFile("\(path): prompts file: expected one prompt a line, found an empty file")
    }
    if let empty = lines.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw .badFile("\(path): line \(empty + 1): expected a prompt, found an empty line; remove it")
    }
    return lines
  }

  private static func contents(_ path: String) throws(Failure) -> [UInt8] {
    do {
      return try WholeFile.read(path, limit: sizeLimit, allowingPipes: true)
    } catch {
      switch error.kind {
      case .tooLarge: throw .badFile("\(path): prompts file: expected at most \(sizeLimit) bytes, found more; split it")
      case .notRegular: throw .badFile("\(path): the prompts file cannot be read: \(error.found); check the path")
      default:
        let failure = error.operation == .opening ? "opened" : "read"
        throw .badFile("\(path): the prompts file cannot be \(failure): \(error.found); check the path")
      }
    }
  }
}
