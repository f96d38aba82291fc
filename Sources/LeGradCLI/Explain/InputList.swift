import Failures
import Files
import Glibc
import ImageFiles
import LeGrad

/// The pictures that are named on the command line: files, folders, patterns, and lists on standard input.
struct InputList {
  struct Item: Equatable {
    let path: String
    /// How many folders below the one that was named it lies.
    var depth = 0
  }

  /// Each picture once, in the order of the arguments; what is found in a folder, or by a pattern, in that of the bytes. An
  /// argument that leads to none is an item too, which fails like a picture that is not there.
  private(set) var items: [Item] = []
  /// What a reader should know: pictures that are there twice, and what was left out.
  private(set) var remarks: [String] = []

  var paths: [String] { items.map(\.path) }

  private let recursive: Bool
  private let output: String

  /// What stands for a list on standard input.
  static let standardInput = "-"
  /// A million names of 64 bytes.
  private static let listLimit = 64 << 20
  private static let mostRemarks = 10

  /// - Parameters:
  ///   - arguments: files and folders; patterns, where nothing has that name; and `-`.
  ///   - recursive: also takes what lies in folders of folders.
  ///   - output: a folder below these that is left out.
  init(_ arguments: [String], recursive: Bool, output: String) throws(LeGradError) {
    self.recursive = recursive
    self.output = output
    var found: [Item] = []
    for argument in arguments {
      if argument == Self.standardInput {
        for path in try Self.standardInputPaths() { take(path, into: &found) }
      } else if !FileTree.exists(argument), Self.isPattern(argument) {
        let matches = Self.matches(argument)
        for path in matches.isEmpty ? [argument] : matches { take(path, into: &found) }
      } else {
        take(argument, into: &found)
      }
    }
    dropRepeated(found)
  }

  private mutating func take(_ path: String, into found: inout [Item]) {
    guard FileTree.isFolder(path) else {
      found.append(Item(path: path))
      return
    }
    var listing = FolderListing(recursive: recursive, output: output)
    do throws(FileError) { try listing.read(path) } catch { remarks.append("\(error)") }
    if let leftOut = listing.leftOut { remarks.append("\(path): left out \(leftOut)") }
    found += listing.items.isEmpty ? [Item(path: path)] : listing.items
  }

  /// Keeps the first of those that are one file.
  private mutating func dropRepeated(_ found: [Item]) {
    var seen: [FilePath: String] = [:]
    var repeated: [String] = []
    for item in found {
      let place = FilePath(FileTree.resolved(item.path) ?? item.path)
      if let first = seen[place] {
        let what = first == item.path ? "is named twice" : "is the file \(first)"
        repeated.append("\(item.path): \(what), and is explained once")
      } else {
        seen[place] = item.path
        items.append(item)
      }
    }
    remarks += repeated.prefix(Self.mostRemarks)
    let more = repeated.count - Self.mostRemarks
    if more > 0 { remarks.append("\(more) more are named again, and are explained once") }
  }

  /// One path a line or, where there is a zero byte, between zero bytes.
  static func paths(inList bytes: [UInt8]) -> [String] {
    let separator = bytes.contains(0) ? 0 : UInt8(ascii: "\n")
    return bytes.split(separator: separator).map { FilePath(bytes: $0).text }
  }

  private static func standardInputPaths() throws(LeGradError) -> [String] {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try WholeFile.read("/dev/stdin", limit: listLimit, allowingPipes: true)
    } catch { throw LeGradError(error) }
    let paths = paths(inList: bytes)
    guard !paths.isEmpty else { throw .badFile("standard input: expected a path a line, found none") }
    return paths
  }

  private static func isPattern(_ text: String) -> Bool { text.contains { "*?[{".contains($0) } }

  /// The paths that match, in the order of their bytes; hidden ones only where the pattern says the dot.
  private static func matches(_ pattern: String) -> [String] {
    var found = unsafe glob_t()
    defer { unsafe globfree(&found) }
    guard unsafe glob(pattern.fileSystemBytes, GLOB_NOSORT | GLOB_BRACE, nil, &found) == 0 else { return [] }
    let count = unsafe Int(found.gl_pathc)
    let paths = (0..<count).compactMap { index in
      unsafe found.gl_pathv[index].map { unsafe FilePath(cString: $0) }
    }
    return Set(paths).sorted().map(\.text)
  }
}

/// The pictures of a folder: what is called as one, and what is one by its first bytes whatever it is called.
private struct FolderListing {
  let recursive: Bool
  var items: [InputList.Item] = []
  private var endings: [String: Int] = [:]
  private var others: [String: Int] = [:]
  private var visited: Set<FilePath> = []
  private let output: FilePath?

  init(recursive: Bool, output: String) {
    self.recursive = recursive
    self.output = FileTree.resolved(output).map { FilePath($0) }
  }

  mutating func read(_ folder: String, depth: Int = 0) throws(FileError) {
    let place = FilePath(FileTree.resolved(folder) ?? folder)
    guard depth == 0 || place != output else {
      others["folder of results", default: 0] += 1
      return
    }
    // A link may lead to a folder above.
    guard visited.insert(place).inserted else { return }
    let names: [FilePath]
    do throws(FileError) { names = try FileTree.names(in: folder).sorted() } catch {
      guard depth > 0 else { throw error }
      others["folders that cannot be read", default: 0] += 1
      return
    }
    for name in names where !name.isHidden {
      let path = FileTree.join(folder, name.text)
      if FileTree.isFolder(path) {
        if recursive {
          try read(path, depth: depth + 1)
        } else {
          others["folders (-r goes into them)", default: 0] += 1
        }
      } else if ImageFormat.endings.contains(name.ending ?? "")
        || ImageFormat(magicOf: FileSystem.start(of: path, count: ImageFormat.magicSize)) != nil
      {
        items.append(InputList.Item(path: path, depth: depth))
      } else if let ending = name.ending {
        endings[ending, default: 0] += 1
      } else {
        others["without an ending", default: 0] += 1
      }
    }
  }

  /// What is no picture, the most frequent first; nil where there is nothing.
  var leftOut: String? {
    let counted = endings.map { (".\($0)", $1) } + others.map { ($0, $1) }
    guard !counted.isEmpty else { return nil }
    let sorted = counted.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    let shown = sorted.prefix(12).map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    return shown + (sorted.count > 12 ? " and others" : "") + "; \(ImageFormat.list) is read"
  }
}
