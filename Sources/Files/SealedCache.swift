/// What would take long to compute again, in a folder that may vanish at any time: a file per key.
///
/// A file's name is the hash of everything that its content depends on, and it starts with a seal: the hash of that
/// name and the content. Whatever goes wrong with the cache (no folder, a full disk, a damaged file) only means that
/// the content is computed.
package struct SealedCache: Sendable {
  private let folder: String
  private let fileExtension: String
  private let sizeLimit: Int

  package init(folder: String, fileExtension: String, sizeLimit: Int) {
    self.folder = folder
    self.fileExtension = fileExtension
    self.sizeLimit = sizeLimit
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
    _ = try? FileTree.create(folder: folder)
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
