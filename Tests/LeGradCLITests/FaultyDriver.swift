import Foundation
import TestSupport

/// The drivers of `Tests/FaultyDriver/driver.c`, in folders that stand in for the system's.
enum FaultyDriver {
  /// The system's own driver among the modes.
  static let sound = "sound"

  /// What the system's own driver is called by the loader; nil where there is none.
  private static let system: String? = {
    let folder = "/etc/OpenCL/vendors"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    guard let name = names.first(where: { $0.hasSuffix(".icd") }),
      let text = try? String(contentsOfFile: folder + "/" + name, encoding: .utf8)
    else { return nil }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }()

  struct NoCompiler: Error { let errors: String }

  /// The compiled driver, which is copied under the names of its modes.
  private static let compiled: Result<[UInt8], any Error> = Result {
    let scratch = try ScratchFolder()
    let source = Fixtures.path("../FaultyDriver/driver.c")
    let compiler = try RunningCommand(
      ["cc", "-O1", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared", "-fPIC"]
        + ["-o", scratch.path("driver.so"), source, "-ldl"],
      in: scratch, environment: [:], executable: "/usr/bin/env")
    let result = try compiler.wait()
    guard result.exitCode == 0 else { throw NoCompiler(errors: result.errors) }
    return try scratch.bytes("driver.so")
  }

  /// An environment in which the loader has a driver of each mode and nothing else, and nothing was ever tried.
  static func environment(_ modes: [String], in scratch: ScratchFolder) throws -> [String: String] {
    let folder = "drivers-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    for (index, mode) in modes.enumerated() {
      var library = system ?? ""
      if mode != sound {
        library = try scratch.write(try compiled.get(), to: "\(folder)/libdriver-\(mode).so")
      }
      try scratch.write(library + "\n", to: "\(folder)/\(index).icd")
    }
    // What Swift's runtime says of a crash differs from time to time.
    return [
      "SWIFT_BACKTRACE": "enable=no", "OCL_ICD_VENDORS": scratch.path(folder),
      "LEGRAD_TEST_DRIVER": system ?? "",
      "LEGRAD_CACHE": scratch.path("\(folder)/cache"),
    ]
  }
}
