import Foundation
import TestSupport
import Testing

/// A program in C, compiled by the system's compiler with every warning an error.
struct CProgram {
  static let languages = [["gcc", "-std=gnu11"], ["g++", "-x", "c++", "-std=c++17"]]
  private static let root = Fixtures.path("../..")

  let path: String

  /// The dynamic library lies beside the test bundle.
  static let libraryFolder: String = {
    let bundle =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: bundle).deletingLastPathComponent().path
  }()

  /// - Parameters:
  ///   - source: from the root of the repository.
  ///   - compiler: with its language.
  ///   - linked: with the library.
  init(
    _ source: String, _ compiler: [String], in scratch: ScratchFolder, linked: Bool = true, flags: [String] = []
  ) throws {
    path = scratch.path + "/program-\(UUID().uuidString)"
    let folder = Self.libraryFolder
    let library = ["-L", folder, "-lCLeGrad", "-Wl,-rpath," + folder, "-pthread"]
    let result = try Self.run(
      "/usr/bin/env",
      compiler + ["-Wall", "-Wextra", "-pedantic", "-Werror", "-g", "-I", "Sources/CLeGradHeader/include"] + flags
        + [source, "-o", path] + (linked ? library : []), in: Self.root)
    try #require(result.code == 0, "\(result.output)")
  }

  func run(
    _ arguments: [String] = [], environment: [String: String] = [:]
  ) throws -> (code: Int32, output: String) {
    try Self.run("/usr/bin/env", [path] + arguments, in: Self.root, environment: environment)
  }

  private static func run(
    _ executable: String, _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> (code: Int32, output: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return (code, String(decoding: output, as: UTF8.self))
  }
}

/// Programs of others, in processes of their own.
@Suite struct ProgramTests {
  private static let exercise = "Tests/Fixtures/c-interface/exercise.c"

  private func sample(in scratch: ScratchFolder) throws -> String {
    let file = scratch.path + "/dusk.png"
    try FileManager.default.copyItem(atPath: Fixtures.path("../../Sources/CDemo/samples/dusk.png"), toPath: file)
    return file
  }

  @Test(arguments: CProgram.languages) func exampleExplains(language: [String]) throws {
    let scratch = try ScratchFolder()
    // Standard C alone.
    let strict = language.map { $0 == "-std=gnu11" ? "-std=c11" : $0 }
    let program = try CProgram("Examples/c/explain.c", strict, in: scratch)
    let picture = try sample(in: scratch)
    let result = try program.run(["demo", picture, "a green cross", "a red disc"])
    #expect(result.code == 0, "\(result.output)")
    #expect(result.output.split(separator: "\n").count == 2)
    for number in 0..<2 {
      let bytes = try Data(contentsOf: URL(filePath: picture + ".\(number).png"))
      #expect(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    }
    let missing = try program.run(["demo", scratch.path + "/none.png", "a red disc"])
    #expect(missing.code == 3)
    #expect(missing.output.contains("none.png"))
  }

  @Test(arguments: CProgram.languages) func everythingIsAsTheHeaderSays(language: [String]) throws {
    let scratch = try ScratchFolder()
    let program = try CProgram(Self.exercise, language, in: scratch)
    let result = try program.run()
    #expect(result.code == 0 && result.output == "done\n", "\(result.output)")
  }

  @Test func nothingIsWrongWithMemoryUnderAddressSanitizer() throws {
    let scratch = try ScratchFolder()
    let program = try CProgram(
      Self.exercise, CProgram.languages[0], in: scratch, flags: ["-fsanitize=address,undefined"])
    // Swift's runtime keeps what it has made for as long as the process lives.
    let result = try program.run(environment: ["ASAN_OPTIONS": "detect_leaks=0"])
    #expect(result.code == 0 && result.output == "done\n", "\(result.output)")
  }
}
