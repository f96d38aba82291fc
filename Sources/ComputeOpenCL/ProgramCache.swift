import Files
import OpenCLRuntime

/// Built programs on disk, so that a driver compiles a kernel once.
///
/// A file's name is the hash of everything that the binary depends on, and it starts with a seal: the hash of that name
/// and the binary. Whatever goes wrong with the cache (no folder, a full disk, a binary that the driver refuses) only
/// means that a program is built from its source.
struct ProgramCache: Sendable {
  private let folder: String
  private let device: [String]

  private static let sizeLimit = 1 << 26
  /// Changes when the way a program is made from its sources does, or the file's layout.
  private static let format = "2"

  init(folder: String, device: OpenCLDevice) {
    self.folder = folder
    self.device = [device.platform, device.name, device.version, device.driver]
  }

  /// The program, if the cache has it and the driver takes it.
  func program(_ context: OpenCLContext, sources: [String], options: String) -> OpenCLProgram? {
    let name = name(sources, options)
    guard let file = try? WholeFile.read(path(name), limit: Self.sizeLimit), file.count > Self.sealLength else {
      return nil
    }
    let binary = Array(file[Self.sealLength...])
    guard file.starts(with: seal(of: binary, name)) else { return nil }
    return try? OpenCLProgram(context, binary: binary, options: options)
  }

  func keep(_ program: OpenCLProgram, sources: [String], options: String) {
    guard let binary = try? program.binary(), binary.count <= Self.sizeLimit - Self.sealLength else { return }
    try? FileTree.create(folder: folder)
    let name = name(sources, options)
    try? AtomicFile.write(seal(of: binary, name) + binary, to: path(name))
  }

  private func path(_ name: String) -> String { folder + "/" + name + ".bin" }

  /// The hash of everything that a binary depends on.
  private func name(_ sources: [String], _ options: String) -> String {
    var hash = SHA256()
    for part in [Self.format] + device + [options] + sources {
      // The length keeps "ab", "c" apart from "a", "bc".
      hash.update("\(part.utf8.count):\(part)".utf8)
    }
    return hash.finish()
  }

  /// What a file starts with: drivers trust a binary, and some crash on a damaged one.
  private func seal(of binary: [UInt8], _ name: String) -> [UInt8] {
    var hash = SHA256()
    hash.update(name.utf8)
    hash.update(binary)
    return Array(hash.finish().utf8)
  }

  /// Hexadecimal digits of a hash.
  private static let sealLength = 64
}

extension SHA256 {
  fileprivate mutating func update(_ bytes: some Sequence<UInt8>) {
    unsafe Array(bytes).withUnsafeBytes { unsafe update($0) }
  }
}
