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
  struct NotTried: Error { let errors: String }

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

  /// Files that commands keep of the system's own driver, by name: what came of trying its kernels, and the programs of
  /// the golden explanation.
  private static let kept: Result<[String: [UInt8]], any Error> = Result {
    let scratch = try ScratchFolder()
    let environment = try FaultyDriver.environment([sound], in: scratch)
    let result = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "--layers", "all", "--format", "json"]
        + ["--device", "opencl"] + GoldenCommand.promptArguments, in: scratch, environment: environment)
    guard result.exitCode == 0, let folder = environment["LEGRAD_CACHE"] else { throw NotTried(errors: result.errors) }
    return try withExtendedLifetime(scratch) {
      try Dictionary(
        uniqueKeysWithValues: FileManager.default.contentsOfDirectory(atPath: folder).map {
          ($0, [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + $0))))
        })
    }
  }

  /// An environment in which the loader has a driver of each mode and nothing else, and nothing was ever tried.
  /// - Parameter knowsSound: whether the system's own driver was tried before, in as much time as it needs.
  static func environment(
    _ modes: [String], in scratch: ScratchFolder, knowsSound: Bool = false
  ) throws -> [String: String] {
    let folder = "drivers-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    for (index, mode) in modes.enumerated() {
      var library = system ?? ""
      if mode != sound {
        library = try scratch.write(try compiled.get(), to: "\(folder)/libdriver-\(mode).so")
      }
      try scratch.write(library + "\n", to: "\(folder)/\(index).icd")
    }
    let cache = "\(folder)/cache"
    if knowsSound {
      try FileManager.default.createDirectory(atPath: scratch.path(cache), withIntermediateDirectories: true)
      for (name, bytes) in try kept.get() { try scratch.write(bytes, to: "\(cache)/\(name)") }
    }
    // What Swift's runtime says of a crash differs from time to time.
    return [
      "SWIFT_BACKTRACE": "enable=no", "OCL_ICD_VENDORS": scratch.path(folder),
      "LEGRAD_TEST_DRIVER": system ?? "",
      "LEGRAD_CACHE": scratch.path(cache),
    ]
  }
}
