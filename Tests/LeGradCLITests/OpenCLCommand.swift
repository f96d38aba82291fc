import Foundation
import TestSupport

/// What tests of the command on OpenCL share.
enum OpenCLCommand {
  static var isPossible: Bool { TestDevice.first != nil }

  /// Nothing is kept from one command to the next. For kernels that few commands run: to be kept, PoCL compiles each
  /// a second time, for groups of any size, and what it has compiled it keeps itself.
  static let keepsNothing = ["LEGRAD_CACHE": ""]

  /// A loader that finds no driver.
  static let noDriver = ["OCL_ICD_VENDORS": "/nonexistent"]

  /// No loader that can be opened: files of its names that are none come first.
  static func noLoader(in scratch: ScratchFolder) throws -> [String: String] {
    for name in ["libOpenCL.so.1", "libOpenCL.so"] { try scratch.write("no library", to: name) }
    return ["LD_LIBRARY_PATH": scratch.path]
  }

  /// A loader that has every call of OpenCL 1.2 but one.
  static func loader(without call: String, in scratch: ScratchFolder) throws -> [String: String] {
    try scratch.write("{ local: \(call); };\n", to: "calls")
    let compiler = try RunningCommand(
      ["cc", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"]
        + [Fixtures.path("../../Sources/COpenCL/include"), "-o", scratch.path("libOpenCL.so.1")]
        + [Fixtures.path("../FaultyDriver/loader.c"), "-Wl,--version-script=" + scratch.path("calls")],
      in: scratch, environment: [:], executable: "/usr/bin/env")
    let result = try compiler.wait()
    guard result.exitCode == 0 else { throw FaultyDriver.NoCompiler(errors: result.errors) }
    return ["LD_LIBRARY_PATH": scratch.path]
  }

  /// The kernels with `text` before both variants of one, which are then used in place of the embedded ones.
  static func kernels(
    in scratch: ScratchFolder, with text: String, before kernel: String
  ) throws -> [String: String] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Kernels").path
    try FileManager.default.copyItem(atPath: folder, toPath: scratch.path("kernels"))
    for name in scratch.files(in: "kernels") where [kernel + ".cl", kernel + "_cpu.cl"].contains(name) {
      try scratch.write(Array(text.utf8) + scratch.bytes("kernels/\(name)"), to: "kernels/\(name)")
    }
    return ["LEGRAD_KERNELS": scratch.path("kernels")]
  }

  /// A driver that multiplies wrongly in the layer norm's backward.
  static func wrongKernels(in scratch: ScratchFolder) throws -> [String: String] {
    try kernels(in: scratch, with: "#define fma(a, b, c) ((a) * (b) * 1.01f + (c))\n", before: "layer_norm_backward")
  }

  /// A compiler that chokes on the layer norm's backward.
  static func brokenKernels(in scratch: ScratchFolder) throws -> [String: String] {
    try kernels(in: scratch, with: "#error broken\n", before: "layer_norm_backward")
  }
}
