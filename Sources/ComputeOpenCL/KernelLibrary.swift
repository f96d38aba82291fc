import CKernels
import Failures
import Files
import OpenCLRuntime
import Synchronization

/// The kernels of one context, each built when it is first asked for.
final class KernelLibrary: Sendable {
  let context: OpenCLContext
  private let cache: ProgramCache?
  private let kernelFolder: String?
  private let ptx: PTXFolder?
  private let built = Mutex(Built())

  private struct Built {
    /// By file and options.
    var programs: [String: OpenCLProgram] = [:]
    var kernels: [KernelIdentifier: OpenCLKernel] = [:]
  }

  /// What a library reads and keeps on disk.
  struct Folders: Sendable {
    /// The folder of built programs; they are not kept if nil.
    var cache: String?
    /// The folder of `.cl` files that are used instead of the embedded ones.
    var kernels: String?
    /// The folder of programs that a release brings along for NVIDIA's drivers.
    var ptx: String?
  }

  init(_ context: OpenCLContext, folders: Folders) {
    self.context = context
    cache = folders.cache.map { ProgramCache(folder: $0, device: context.device) }
    kernelFolder = folders.kernels
    ptx = PTXFolder.used(folders.ptx, by: context.device)
  }

  /// The kernel once more, with arguments of its own.
  func copy(of identifier: KernelIdentifier) throws(OpenCLError) -> OpenCLKernel {
    try OpenCLKernel(kernel(identifier).program, name: identifier.function)
  }

  /// The kernel, built now if it has not been before.
  func kernel(_ identifier: KernelIdentifier) throws(OpenCLError) -> OpenCLKernel {
    try built.withLock { built throws(OpenCLError) in
      if let kernel = built.kernels[identifier] { return kernel }
      precondition(
        ProgramList.contains(identifier), "\(identifier.file) with \(identifier.options) is not in ProgramList.swift")
      let key = identifier.files.joined(separator: " ") + " " + identifier.options
      let program: OpenCLProgram
      if let known = built.programs[key] {
        program = known
      } else {
        program = try build(identifier)
        built.programs[key] = program
      }
      let kernel = try OpenCLKernel(program, name: identifier.function)
      built.kernels[identifier] = kernel
      return kernel
    }
  }

  private func build(_ identifier: KernelIdentifier) throws(OpenCLError) -> OpenCLProgram {
    let sources = try Self.sources(of: identifier.files, in: kernelFolder)
    if let vendors = VendorOptions(identifier).options(for: context.device) {
      // A driver that says it knows them and does not gets the program without.
      do { return try build(sources, options: identifier.options + " " + vendors) } catch {}
    }
    do { return try build(sources, options: identifier.options) } catch {
      guard error.isOfCompiler, let ptx,
        let program = ptx.program(context, sources: sources, options: identifier.options)
      else { throw error }
      // Next time nothing is compiled before it.
      cache?.keep(program, sources: sources, options: identifier.options)
      return program
    }
  }

  private func build(_ sources: [String], options: String) throws(OpenCLError) -> OpenCLProgram {
    if let cache, let program = cache.program(context, sources: sources, options: options) { return program }
    let program = try OpenCLProgram(context, sources: sources, options: options)
    cache?.keep(program, sources: sources, options: options)
    return program
  }

  /// The pieces of a program of these files. `#line` makes the compiler's messages name the file and the line in it.
  /// - Parameter folder: of files that are read instead of the embedded ones.
  static func sources(of files: [String], in folder: String? = nil) throws(OpenCLError) -> [String] {
    var sources: [String] = []
    for file in files {
      sources += ["\n#line 1 \"\(file).cl\"\n", try text(of: file + ".cl", in: folder)]
    }
    return sources
  }

  /// The text of every file, embedded or in a folder that stands in for them.
  static func texts(in folder: String?) throws(OpenCLError) -> [String: String] {
    guard let folder else { return embedded }
    var texts: [String: String] = [:]
    for name in embedded.keys { texts[name] = try text(of: name, in: folder) }
    return texts
  }

  private static func text(of name: String, in folder: String?) throws(OpenCLError) -> String {
    guard let folder else {
      guard let text = embedded[name] else { preconditionFailure("\(name) is not in Sources/CKernels/kernels.c") }
      return text
    }
    do {
      return String(decoding: try WholeFile.read(folder + "/" + name, limit: 1 << 20), as: UTF8.self)
    } catch {
      throw OpenCLError(call: "reading kernels", status: .success, detail: error.description)
    }
  }

  /// The embedded files by name.
  static let embedded: [String: String] = {
    var files: [String: String] = [:]
    for index in 0..<legrad_kernel_file_count() {
      let file = unsafe legrad_kernel_file_at(index)
      unsafe files[String(cString: file.name)] = unsafe String(cString: file.text)
    }
    return files
  }()
}
