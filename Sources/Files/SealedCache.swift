#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What would take long to compute again, in a folder that may vanish at any time: a file per key.
///
/// A file's name is the hash of everything that its content depends on, and it starts with a seal: the hash of that name
/// and the content. Whatever goes wrong with the cache (no folder, a full disk, a damaged file) only means that the
/// content is computed.
package struct SealedCache: Sendable {
  private let folder: String
  private let fileExtension: String
  private let sizeLimit: Int

  package init(folder: String, fileExtension: String, sizeLimit: Int) {
    self.folder = folder
    self.fileExtension = fileExtension
    self.sizeLimit = sizeLimit
  }

  /// A folder that tests put in place of the one below: the environment belongs to the whole process.
  @TaskLocal package static var testFolder: String?

  /// Where what can be computed again is kept: `LEGRAD_CACHE` (empty for nowhere), else the user's cache folder.
  package static var userFolder: String? {
    if let testFolder { return testFolder }
    if let folder = unsafe getenv("LEGRAD_CACHE") {
      let text = unsafe String(cString: folder)
      return text.isEmpty ? nil : text
    }
    if let cache = variable("XDG_CACHE_HOME") { return cache + "/legrad" }
    return variable("HOME").map { $0 + "/.cache/legrad" }
  }

  /// A variable that is set and not empty.
  private static func variable(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    let value = unsafe String(cString: text)
    return value.isEmpty ? nil : value
  }

  /// The content under the hash of `parts`; nil unless it is there and whole.
  package func content(_ parts: [String]) -> [UInt8]? {
    let name = Self.name(parts)
    guard let file = try? WholeFile.read(path(name), limit: sizeLimit), file.count >= Self.sealLength else {
      return nil
    }
    let content = Array(file[Self.sealLength...])
    return file.starts(with: Self.seal(content, name)) ? content : nil
  }

  package func keep(_ content: [UInt8], _ parts: [String]) {
    guard content.count <= sizeLimit - Self.sealLength else { return }
    try? FileTree.create(folder: folder)
    let name = Self.name(parts)
    try? AtomicFile.write(Self.seal(content, name) + content, to: path(name))
  }

  private func path(_ name: String) -> String { folder + "/" + name + "." + fileExtension }

  private static func name(_ parts: [String]) -> String { SHA256.hash(of: parts) }

  private static func seal(_ content: [UInt8], _ name: String) -> [UInt8] {
    var hash = SHA256()
    hash.update(Array(name.utf8))
    hash.update(content)
    return Array(hash.finish().utf8)
  }

  /// Hexadecimal digits of a hash.
  private static let sealLength = 64
}
