import Glibc

/// What would take long to compute again, in a folder that may vanish at any time: a file per key.
///
/// A file's name is the hash of everything that its content depends on, and it starts with a seal: the hash of that
/// name and the content. Whatever goes wrong with the cache (no folder, a full disk, a damaged file) only means that
/// the content is computed.
///
/// A seal says that a file is whole, not who wrote it: folder and files are this user's alone, or are not used.
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
    guard Self.fault(of: folder) == nil,
      let file = try? WholeFile.read(path(name), limit: sizeLimit, if: { Self.fault(of: $0) == nil }),
      file.count >= Self.sealLength
    else { return nil }
    let content = Array(file[Self.sealLength...])
    return file.starts(with: Self.seal(content, name)) ? content : nil
  }

  package func keep(_ content: [UInt8], _ parts: [String]) {
    guard content.count <= sizeLimit - Self.sealLength else { return }
    _ = try? FileTree.create(folder: folder, isPrivate: true)
    guard Self.fault(of: folder) == nil else { return }
    let name = Self.name(parts)
    try? AtomicFile.write(Self.seal(content, name) + content, to: path(name), mode: 0o600)
  }

  /// Why nothing is kept in `folder`, nor taken from it; nil where it can be, or be made.
  package static func obstacle(in folder: String) -> String? {
    fault(of: folder) ?? FileTree.obstacle(toWritingIn: folder)
  }

  /// Why a folder is not to be trusted; nil where it is, or there is none.
  private static func fault(of folder: String) -> String? {
    var status = stat()
    return unsafe stat(folder, &status) == 0 ? fault(of: status) : nil
  }

  private static func fault(of status: stat) -> String? {
    if status.st_uid != geteuid() { return "it belongs to another user" }
    return status.st_mode & 0o022 == 0 ? nil : "other users can write in it (chmod go-w forbids that)"
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
