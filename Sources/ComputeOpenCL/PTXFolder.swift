import Files
import OpenCLRuntime

/// Programs with NVIDIA's matrix instructions that a release brings along as PTX, for drivers whose compiler takes no PTX
/// within OpenCL C: a file for each, named by the program's text and options, so that one that was made of other kernels
/// is not found.
struct PTXFolder: Sendable {
  private let path: String

  /// Bytes of the largest file that is read; they have some hundred thousand.
  private static let limit = 1 << 24
  private static let fileExtension = ".ptx"

  init(_ path: String) { self.path = path }

  /// The folder of a backend's options where the device may take what is in it.
  static func used(_ path: String?, by device: OpenCLDevice) -> PTXFolder? {
    guard let path, MatrixInstructions.candidates(for: device).contains(.nvidia) else { return nil }
    return PTXFolder(path)
  }

  /// A program's file.
  static func name(sources: [String], options: String) -> String {
    SHA256.hash(of: [options] + sources) + fileExtension
  }

  /// The program, where the folder has it and the driver takes it. The driver's compiler is not asked, and what it is
  /// told of registers and groups is in the file.
  func program(_ context: OpenCLContext, sources: [String], options: String) -> OpenCLProgram? {
    let file = FileTree.join(path, Self.name(sources: sources, options: options))
    guard FileTree.exists(file), let text = try? WholeFile.read(file, limit: Self.limit), !text.isEmpty else {
      return nil
    }
    return try? OpenCLProgram(context, binary: text, options: "")
  }

  /// What a verdict on kernels depends on: the names of the files, in order; none of a folder that cannot be read.
  var names: [String] {
    ((try? FileTree.names(in: path)) ?? []).map(\.text).filter { $0.hasSuffix(Self.fileExtension) }.sorted()
  }
}
