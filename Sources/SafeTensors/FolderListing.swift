import Glibc

/// Names of the entries of `folder`.
func listing(of folder: String) throws(SafeTensorsError) -> Set<String> {
  guard let stream = unsafe opendir(folder) else {
    throw SafeTensorsError(
      .cannotOpen, file: folder, place: "opening", expected: "a readable folder", found: systemMessage(),
      remedy: "check the path and its permissions")
  }
  defer { unsafe closedir(stream) }
  var names: Set<String> = []
  while let entry = unsafe readdir(stream) {
    let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != ".", name != ".." { names.insert(name) }
  }
  return names
}

/// The path with every symbolic link followed; nil when it leads nowhere.
func resolvedPath(_ path: String) -> String? {
  guard let resolved = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
