import Files
import OpenCLRuntime

/// Built programs on disk, so that a driver compiles a kernel once. A program that cannot be read, or that the driver
/// refuses, is built from its source. Sealed: drivers trust a binary, and some crash on a damaged one.
struct ProgramCache: Sendable {
  private let files: SealedCache
  private let device: [String]

  /// Changes when the way a program is made from its sources does, or the file's layout.
  private static let format = "2"

  init(folder: String, device: OpenCLDevice) {
    files = SealedCache(folder: folder, fileExtension: "bin", sizeLimit: 1 << 26)
    self.device = [device.platform, device.name, device.version, device.driver]
  }

  /// The program, if the cache has it and the driver takes it.
  func program(_ context: OpenCLContext, sources: [String], options: String) -> OpenCLProgram? {
    guard let binary = files.content(parts(sources, options)), !binary.isEmpty else { return nil }
    return try? OpenCLProgram(context, binary: binary, options: options)
  }

  func keep(_ program: OpenCLProgram, sources: [String], options: String) {
    guard let binary = try? program.binary() else { return }
    files.keep(binary, parts(sources, options))
  }

  /// Everything that a binary depends on.
  private func parts(_ sources: [String], _ options: String) -> [String] {
    [Self.format] + device + [options] + sources
  }
}
