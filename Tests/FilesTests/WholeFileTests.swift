import Failures
import Files
import FoundationEssentials
import Glibc
import TestSupport
import Testing

struct WholeFileTests {
  @Test(arguments: [0, 1, 262_143, 262_144, 262_145, 1_000_003])
  func everyByteIsRead(count: Int) throws {
    let folder = try ScratchFolder()
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 41 ^ $0 >> 9) }
    let path = try folder.write(bytes, "x")
    #expect(try WholeFile.read(path, limit: count) == bytes)
    #expect(try WholeFile.read(path, limit: .max, allowingPipes: true) == bytes)
    guard count > 0 else { return }
    let error = #expect(throws: FileError.self) { try WholeFile.read(path, limit: count - 1) }
    #expect(error?.rule == .tooLarge(limit: count - 1))
    #expect(error?.found == "\(count)")
  }

  /// The system's own files have size 0 whatever they hold.
  @Test func filesAreReadToTheirEndWhateverTheirSize() throws {
    let text = String(decoding: try WholeFile.read("/proc/self/status", limit: 1 << 20), as: UTF8.self)
    #expect(text.hasPrefix("Name:"))
    let error = #expect(throws: FileError.self) { try WholeFile.read("/proc/self/status", limit: 3) }
    #expect(error?.rule == .tooLarge(limit: 3))
  }

  /// What a shell hands over in `<(…)`, the writer being slow.
  @Test func pipesOfTheProcessAreReadToTheirEndWhereTheyAreAllowed() throws {
    let writer = unsafe try #require(unsafe popen("sleep 0.3; printf 12; sleep 0.3; printf 3", "re"))
    defer { unsafe pclose(writer) }
    for folder in ["/dev/fd", "/proc/self/fd"] {
      let path = "\(folder)/\(unsafe fileno(writer))"
      let refused = #expect(throws: FileError.self) { try WholeFile.read(path, limit: 3) }
      #expect(refused?.rule == .notRegular && refused?.found == "a pipe")
    }
    let path = "/dev/fd/\(unsafe fileno(writer))"
    #expect(try WholeFile.read(path, limit: 3, allowingPipes: true) == Array("123".utf8))
    let endless = #expect(throws: FileError.self) {
      try WholeFile.read("/dev/zero", limit: 1_000_000, allowingPipes: true)
    }
    #expect(endless?.rule == .notRegular && endless?.found == "a device")
  }

  /// Opening a named pipe that nobody writes to would wait for ever.
  @Test(arguments: [true, false]) func namedPipesAndSocketsAreRefusedAtOnce(allowingPipes: Bool) throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/pipe"
    #expect(unsafe mkfifo(path, 0o600) == 0)
    let read = { (path: String) in
      #expect(throws: FileError.self) { try WholeFile.read(path, limit: 9, allowingPipes: allowingPipes) }
    }
    #expect(read(path)?.rule == .notRegular)
    #expect(read(path)?.found == "a pipe")
    #expect(read(path)?.remedy.description.contains("/dev/stdin") == allowingPipes)
    let mapped = #expect(throws: FileError.self) { try FileBytes(path: path, mapped: true) }
    #expect(mapped?.found == "a pipe")
    let socket = folder.path + "/socket"
    #expect(unsafe mknod(socket, S_IFSOCK | 0o600, 0) == 0)
    #expect(read(socket)?.rule == .notRegular)
    #expect(read(socket)?.found == "a socket")
  }

  @Test(arguments: [true, false]) func whatIsNoFileIsRefused(allowingPipes: Bool) throws {
    let folder = try ScratchFolder()
    let file = try folder.write([1], "file")
    let read = { (path: String) in
      #expect(throws: FileError.self) { try WholeFile.read(path, limit: 9, allowingPipes: allowingPipes) }
    }
    #expect(read(folder.path)?.rule == .notRegular)
    #expect(read(folder.path)?.found == "a folder")
    #expect(read(folder.path + "/absent")?.rule == .missing)
    #expect(read(file + "/below")?.rule == .missing)
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/loop", withDestinationPath: "loop")
    #expect(read(folder.path + "/loop")?.rule == .unopenable)
    #expect(
      read("/nowhere/a\nb")?.description == "/nowhere/a\\u{a}b: opening: expected a readable file, "
        + "found No such file or directory; check the path and its permissions")
  }

  @Test func sparseFilesBeyondTheLimitAreRefusedBeforeAnythingIsRead() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([], "sparse")
    #expect(unsafe truncate(path, 1 << 42) == 0)
    let error = #expect(throws: FileError.self) { try WholeFile.read(path, limit: 1 << 20) }
    #expect(error?.found == "\(1 << 42)")
  }
}
