import Foundation
import TestSupport

/// A C library of which chosen calls fail or come short: `Tests/CFaultySystem/system.c`, which says what counts as a call.
enum FaultySystem {
  struct NoCompiler: Error { let errors: String }

  /// A call that the program made.
  struct Call {
    let kind, name: String
    let result: Int
    let path: String

    var fileName: String { String(path.split(separator: "/").last ?? "") }
  }

  /// Where the compiled library is, for as long as the process lives.
  private static let built: Result<ScratchFolder, any Error> = Result {
    let scratch = try ScratchFolder()
    let compiler = try RunningCommand(
      ["cc", "-O1", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        + ["-o", scratch.path("system.so"), Fixtures.path("../CFaultySystem/system.c"), "-ldl"],
      in: scratch, environment: [:], executable: "/usr/bin/env")
    let result = try compiler.wait()
    guard result.exitCode == 0 else { throw NoCompiler(errors: result.errors) }
    return scratch
  }

  /// The environment of a command on such a library. Nothing is cached, so that every run makes the same calls.
  /// - Parameters:
  ///   - rules: see `system.c`.
  ///   - files: how the paths end of files whose reads and writes count; nil for all.
  static func environment(_ rules: String = "", files: String? = nil, trace: String? = nil) throws -> [String: String] {
    var environment = [
      "LD_PRELOAD": try built.get().path("system.so"), "FAULTY_SYSTEM": rules, "LEGRAD_CACHE": "",
      "SWIFT_BACKTRACE": "enable=no",
    ]
    environment["FAULTY_SYSTEM_FILES"] = files
    environment["FAULTY_SYSTEM_TRACE"] = trace
    return environment
  }

  /// What a traced command called, in this order.
  static func calls(_ trace: String) throws -> [Call] {
    let text = String(decoding: try Data(contentsOf: URL(filePath: trace)), as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
      guard words.count == 4, let result = Int(words[2]) else { return nil }
      return Call(kind: words[0], name: words[1], result: result, path: words[3])
    }
  }
}
