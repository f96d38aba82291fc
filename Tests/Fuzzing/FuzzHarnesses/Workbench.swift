import Glibc

/// A folder for a harness's files, removed at the end.
package final class Workbench {
  package let path: String
  private var files: Set<String> = []
  private var folders: [String] = []

  /// Makes a folder in `$TMPDIR`, or in memory where there is none.
  package init() throws {
    let place = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) }
    let template = (place ?? (unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")) + "/legrad-fuzz-XXXXXX"
    var bytes = Array(template.utf8CString)
    guard
      let made = unsafe bytes.withUnsafeMutableBufferPointer({ buffer in
        unsafe buffer.baseAddress.flatMap { unsafe mkdtemp($0) }.map { unsafe String(cString: $0) }
      })
    else { throw Finding("no folder can be made at \(template)") }
    path = made
  }

  deinit {
    for file in files { _ = unsafe unlink(file) }
    for folder in folders.reversed() + [path] { _ = unsafe rmdir(folder) }
  }

  /// Makes a folder, and those above it, and returns its path.
  @discardableResult
  func folder(_ name: String) throws -> String {
    var place = path
    for part in name.split(separator: "/") {
      place += "/" + part
      guard !folders.contains(place) else { continue }
      guard unsafe mkdir(place, 0o700) == 0 else { throw Finding("\(place) cannot be made") }
      folders.append(place)
    }
    return place
  }

  /// Writes a file whose folder is there, and returns its path.
  @discardableResult
  func write(_ bytes: [UInt8], _ name: String) throws(Finding) -> String {
    let file = path + "/" + name
    let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Finding("\(file) cannot be opened") }
    defer { close(descriptor) }
    files.insert(file)
    guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw Finding("\(file) cannot be written")
    }
    return file
  }

  func remove(_ name: String) { _ = unsafe unlink(path + "/" + name) }
}

/// Files of `Tests/Fixtures`.
enum FixtureFiles {
  /// A path relative to the fixtures as an absolute one.
  static func path(_ relative: String) -> String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return (parts.dropLast(3) + ["Fixtures", Substring(relative)]).joined(separator: "/")
  }

  /// The command, which reads HDF5 files for another process: the one that `LEGRAD` names, or that lies beside the tests.
  static func command() throws -> String {
    if let named = unsafe getenv("LEGRAD") { return unsafe String(cString: named) }
    guard let path = unsafe realpath("/proc/self/exe", nil) else { throw Finding("this program has no name") }
    defer { unsafe free(path) }
    let folder = unsafe String(cString: path).split(separator: "/", omittingEmptySubsequences: false).dropLast()
    return folder.joined(separator: "/") + "/legrad"
  }

  static func bytes(_ relative: String) throws -> [UInt8] {
    let file = path(relative)
    let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Finding("\(file) cannot be opened") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = unsafe read(descriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
    return bytes
  }

  /// Names in a folder, sorted, that end in `suffix`.
  static func names(_ relative: String, _ suffix: String = "") throws -> [String] {
    guard let folder = unsafe opendir(path(relative)) else { throw Finding("\(relative) cannot be listed") }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { place in
        unsafe place.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if !name.hasPrefix("."), name.hasSuffix(suffix) { names.append(name) }
    }
    return names.sorted()
  }

  /// The files of a folder that end in `suffix`.
  static func all(_ relative: String, _ suffix: String) throws -> [[UInt8]] {
    try names(relative, suffix).map { try bytes(relative + "/" + $0) }
  }
}
