import Foundation
import TestSupport
import Testing

/// Pictures that are decoded apart: the same answers and the same errors.
@Suite struct SandboxCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// The same run with and without, in folders of their own.
  private func both(_ arguments: [String]) throws -> (plain: CommandResult, confined: CommandResult) {
    let plain = try CommandRunner.run(arguments + ["-o", "plain"], in: scratch)
    let confined = try CommandRunner.run(arguments + ["--sandbox", "-o", "confined"], in: scratch)
    #expect(plain.exitCode == confined.exitCode)
    #expect(plain.complaints == confined.complaints)
    let files = scratch.files(in: "plain")
    #expect(files == scratch.files(in: "confined"))
    for file in files where file != "shards" {
      #expect(try scratch.bytes("plain/" + file) == scratch.bytes("confined/" + file), "\(file)")
    }
    return (plain, confined)
  }

  @Test func explanationsAreTheSame() throws {
    let whole = try Data(contentsOf: URL(filePath: Fixtures.path("images/color-420.jpg")))
    var pictures = try [scratch.write(Array(whole.prefix(whole.count / 2)), to: "cut.jpg")]
    pictures += try [scratch.write("Entry not found", to: "text.png"), scratch.write([], to: "empty.png")]
    pictures += [
      "resize-source.png", "rgb8-13x11.png", "palette4-transparent-7x5.png", "orientation-6.jpg", "cmyk.jpg",
      "progressive.jpg", "1x1.jpg", "lossy-alpha.webp", "animated.webp", "rgb-lzw.tif", "ycbcr-jpeg.tif",
      "tiles-predicted.tif", "bmp8-runs.bmp", "interlaced.gif", "color-420.avif", "alpha.avif", "grid.avif",
      "grid.heic", "cut-turned.heic",
    ].map { Fixtures.path("images/" + $0) }
    let (plain, _) = try both(
      ["explain"] + pictures + ["-p", "a cat", "-m", Fixtures.path("clip/model"), "--format", "png,npy"])
    expectExit(1, plain)
    #expect(plain.complaints.count == 3, "\(plain.errors)")
    #expect(scratch.files(in: "plain").count == 19 * 4)
  }

  /// One that is refused for its size, of which the next picture must know nothing.
  @Test func aPictureAfterATooLargeOneIsTheSame() throws {
    let pictures = ["cmyk.jpg", "rgb8-13x11.png"].map { Fixtures.path("images/" + $0) }
    let (plain, _) = try both(
      ["explain"] + pictures + ["-p", "a cat", "-m", Fixtures.path("clip/model"), "--format", "npy"]
        + ["--max-pixels", "1000"])
    expectExit(1, plain, complaint: "45 × 31 = 1395")
    #expect(scratch.files(in: "plain").count == 2)
  }

  /// Masks are pictures too.
  @Test func evaluationsAreTheSame() throws {
    let (plain, _) = try both(
      [
        "evaluate", "segmentation", "--dataset", Fixtures.path("evaluation/mask-folder"), "-m",
        Fixtures.path("clip/model"),
        "--device", "cpu",
      ])
    expectExit(0, plain)
  }

  /// HDF5 files are read apart in any case, and what their library is led to do is not done.
  @Test(arguments: ["open", "connect", "fork", "unlink", "nothing"])
  func aReaderOfHDF5HasItsFileAlone(wish: String) throws {
    let compiled = try RunningCommand(
      ["cc", "-O1", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        + ["-o", scratch.path("intruder.so"), Fixtures.path("../Intruder/intruder.c"), "-ldl"],
      in: scratch, environment: [:], executable: "/usr/bin/env"
    ).wait()
    #expect(compiled.exitCode == 0, "\(compiled.errors)")
    let result = try CommandRunner.run(
      ["evaluate", "segmentation", "--dataset", Fixtures.path("evaluation/imagenet-seg/gtsegs.mat")]
        + ["--class-index", Fixtures.path("evaluation/imagenet_class_index.json"), "--template", "a {}"]
        + ["-m", Fixtures.path("clip/model"), "--device", "cpu", "-o", "out"],
      in: scratch, environment: ["LD_PRELOAD": scratch.path("intruder.so"), "INTRUDER": wish])
    if wish == "nothing" {
      // The one image that is of no class.
      expectExit(1, result, complaint: "n09999999_1: expected a class")
    } else {
      expectExit(
        3, result, complaint: "found one at which the HDF5 library asks the system for what reading does not need")
    }
  }

  /// What decodes ends by itself with the process that it decodes for, however that ends.
  @Test func nothingIsLeftBehind() throws {
    let picture = try Data(contentsOf: URL(filePath: Fixtures.path("images/color-420.jpg")))
    let pictures = try (0..<400).map { try scratch.write(Array(picture), to: "\($0).jpg") }
    let command = try RunningCommand(
      ["explain"] + pictures + ["-p", "a cat", "-m", Fixtures.path("clip/model"), "--sandbox"]
        + ["--device", "cpu"], in: scratch, environment: [:])
    var decoder: Int32?
    while command.isRunning, decoder == nil { decoder = Self.child(of: command.identifier) }
    kill(command.identifier, SIGKILL)
    _ = try command.wait()
    let left = try #require(decoder)
    for _ in 0..<6_000 where Self.parent(of: left) != nil { usleep(10_000) }
    #expect(Self.parent(of: left) == nil)
  }

  private static func child(of process: Int32) -> Int32? {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.lazy.compactMap { Int32($0) }.first { parent(of: $0) == process }
  }

  /// Nil where the process has ended.
  private static func parent(of process: Int32) -> Int32? {
    let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    // NUMBER (NAME) STATE PARENT
    let fields = text?.split(separator: ")").last?.split(separator: " ")
    guard let fields, fields.count > 1, fields[0] != "Z" else { return nil }
    return Int32(fields[1])
  }
}
