import Files

/// What each picture's files are called by: its name without the ending, in the folders that it has below the one that
/// was named. Where two would be the same, both get as many more folders of their paths as tell them apart; in one folder,
/// their endings.
enum OutputNames {
  private struct Name {
    /// The folders above the file, from the root.
    let folders: [FilePath]
    let file: FilePath
    /// How many of the folders, the last ones, are in the name.
    var depth: Int
    var hasEnding = false

    var text: FilePath {
      let parts = folders.suffix(depth) + [hasEnding ? file : file.stem]
      return FilePath(bytes: parts.map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }
  }

  /// - Returns: a name for each path; two are the same only where two paths are.
  static func names(of items: [(path: String, depth: Int)]) -> [FilePath] {
    var resolved: [FilePath: [FilePath]] = [:]
    var names = items.map { item in
      let path = FilePath(item.path)
      let folder = FilePath(bytes: path.bytes.prefix(path.bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0))
      let folders =
        resolved[folder]
        ?? (FileTree.resolved(folder.bytes.isEmpty ? "." : folder.text).map {
          FilePath($0).parts
        } ?? folder.parts)
      resolved[folder] = folders
      return Name(folders: folders, file: path.name, depth: min(item.depth, folders.count))
    }
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for group in Dictionary(grouping: names.indices, by: { names[$0].text }).values where group.count > 1 {
        let isOneFolder = Set(group.map { names[$0].folders }).count == 1
        for index in group {
          if isOneFolder {
            hasChanged = hasChanged || !names[index].hasEnding
            names[index].hasEnding = true
          } else if names[index].depth < names[index].folders.count {
            names[index].depth += 1
            hasChanged = true
          }
        }
      }
    }
    return names.map(\.text)
  }
}
