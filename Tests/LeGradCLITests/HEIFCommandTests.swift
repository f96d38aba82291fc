import Foundation
import TestSupport
import Testing

/// What is said of AVIF and HEIC where a machine lacks their library, or the library what decodes them.
@Suite struct HEIFCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explain(
    _ name: String, _ more: [String] = [], environment: [String: String]? = nil
  ) throws -> CommandResult {
    try CommandRunner.run(
      ["explain", Fixtures.path("images/" + name), "-p", "a cat", "-m", Fixtures.path("clip/model"), "-o", "out"]
        + ["--device", "cpu", "--format", "json"] + more,
      in: scratch, environment: environment ?? ["LD_LIBRARY_PATH": scratch.path])
  }

  /// A library before the system's: `Tests/FaultyDriver/heif.c`.
  private func compileLibrary(version: String) throws {
    let compiler = try RunningCommand(
      ["cc", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared", "-fPIC"]
        + ["-DVERSION=" + version, "-o", scratch.path("libheif.so.1"), Fixtures.path("../FaultyDriver/heif.c")],
      in: scratch, environment: [:], executable: "/usr/bin/env")
    let result = try compiler.wait()
    guard result.exitCode == 0 else { throw FaultyDriver.NoCompiler(errors: result.errors) }
  }

  @Test(
    "a machine without the library", arguments: [("grey.avif", "AVIF"), ("grey.heic", "HEIC")], [[], ["--sandbox"]])
  func noLibrary(picture: (file: String, format: String), more: [String]) throws {
    try scratch.write("no library", to: "libheif.so.1")
    let result = try explain(picture.file, more)
    expectExit(
      1, result,
      complaint: "\(picture.format) is read by a library that this machine lacks: expected libheif.so.1, 1.15 or "
        + "later, found no libheif.so.1; install it (Debian, Ubuntu: apt install libheif1), or convert the picture to PNG"
    )
  }

  @Test("a library of before its decoders were bounded")
  func oldLibrary() throws {
    try compileLibrary(version: "0x010E0200")
    expectExit(1, try explain("grey.avif"), complaint: "expected libheif.so.1, 1.15 or later, found libheif 1.x; ")
  }

  @Test(
    "a library without a decoder",
    arguments: [
      ("grey.avif", "AVIF", "AV1", "libheif-plugin-dav1d"), ("grey.heic", "HEIC", "HEVC", "libheif-plugin-libde265"),
    ])
  func noDecoder(file: String, format: String, decoder: String, package: String) throws {
    try compileLibrary(version: "0x01110600")
    expectExit(
      1, try explain(file),
      complaint: "\(format) is read by libheif, which lacks a part here: expected a decoder for \(decoder), found "
        + "libheif 1.x without one; install it (Debian, Ubuntu: apt install \(package)), or convert the picture to PNG")
  }

  /// Decoders have threads, and one of them waits for ever where the system starts none.
  @Test(arguments: ["grey.avif", "grey.heic"])
  func noThreads(file: String) throws {
    try scratch.write("int pthread_create(void) { return 11; }\n", to: "threads.c")
    let compiler = try RunningCommand(
      ["cc", "-shared", "-fPIC", "-o", scratch.path("threads.so"), scratch.path("threads.c")], in: scratch,
      environment: [:], executable: "/usr/bin/env")
    let result = try compiler.wait()
    guard result.exitCode == 0 else { throw FaultyDriver.NoCompiler(errors: result.errors) }
    expectExit(
      1, try explain(file, environment: ["LD_PRELOAD": scratch.path("threads.so")]),
      complaint: "expected one that the system starts, found Resource temporarily unavailable; end other programs, or "
        + "raise the limit of processes (ulimit -u, its container's)")
  }
}
