import Files
import OpenCLRuntime

/// Built programs on disk, so that a driver compiles a kernel once.
///
/// A file's name is the hash of everything that the binary depends on. Whatever goes wrong with the cache (no folder,
/// a full disk, a binary that the driver refuses) only means that a program is built from its source.
struct ProgramCache: Sendable {
  private let folder: String
  private let device: [String]

  private static let sizeLimit = 1 << 26
  /// Changes when the way a program is made from its sources does.
  private static let format = "1"

  init(folder: String, device: OpenCLDevice) {
    self.folder = folder
    self.device = [device.platform, device.name, device.version, device.driver]
  }

  /// The program, if the cache has it and the driver takes it.
  func program(_ context: OpenCLContext, sources: [String], options: String) -> OpenCLProgram? {
    guard let binary = try? WholeFile.read(path(sources, options), limit: Self.sizeLimit), !binary.isEmpty else {
      return nil
    }
    return try? OpenCLProgram(context, binary: binary, options: options)
  }

  func keep(_ program: OpenCLProgram, sources: [String], options: String) {
    guard let binary = try? program.binary(), binary.count <= Self.sizeLimit else { return }
    try? FileTree.create(folder: folder)
    try? AtomicFile.write(binary, to: path(sources, options))
  }

  private func path(_ sources: [String], _ options: String) -> String {
    var hash = SHA256()
    for part in [Self.format] + device + [options] + sources {
      // The length keeps "ab", "c" apart from "a", "bc".
      let bytes = Array("\(part.utf8.count):\(part)".utf8)
      unsafe bytes.withUnsafeBytes { unsafe hash.update($0) }
    }
    return folder + "/" + hash.finish() + ".bin"
  }
}
