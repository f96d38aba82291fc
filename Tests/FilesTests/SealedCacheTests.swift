import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct SealedCacheTests {
  private let scratch: ScratchFolder
  private let cache: SealedCache
  private var folder: String { scratch.path + "/a/b" }

  init() throws {
    scratch = try ScratchFolder()
    cache = SealedCache(folder: scratch.path + "/a/b", fileExtension: "kept", sizeLimit: 1000)
  }

  private func file() throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(names.count == 1 && names[0].hasSuffix(".kept"))
    return try folder + "/" + #require(names.first)
  }

  @Test func whatIsKeptIsFound() {
    #expect(cache.content(["a"]) == nil)
    cache.keep([1, 2, 3], ["a", "b"])
    cache.keep([], ["empty"])
    #expect(cache.content(["a", "b"]) == [1, 2, 3])
    #expect(cache.content(["empty"]) == [])
    #expect(cache.content(["ab"]) == nil && cache.content(["b", "a"]) == nil && cache.content(["a", "b", ""]) == nil)
    cache.keep([4], ["a", "b"])
    #expect(cache.content(["a", "b"]) == [4])
  }

  @Test func aDamagedFileIsNoFile() throws {
    cache.keep([1, 2, 3], ["a"])
    let path = try file()
    let whole = try [UInt8](Data(contentsOf: URL(filePath: path)))
    #expect(whole.count == 67)
    var flipped = whole
    flipped[66] ^= 1
    for damaged in [Array(whole.dropLast()), whole + [0], flipped, [], Array(whole[..<64])] {
      try Data(damaged).write(to: URL(filePath: path))
      #expect(cache.content(["a"]) == nil)
    }
    cache.keep([5], ["other"])
    try Data(whole).write(to: URL(filePath: path))
    #expect(cache.content(["a"]) == [1, 2, 3])
  }

  /// A file under another's name is not that other.
  @Test func aRenamedFileIsNoFile() throws {
    cache.keep([1], ["a"])
    let first = try file()
    try FileManager.default.moveItem(atPath: first, toPath: first + ".moved")
    cache.keep([2], ["b"])
    let second = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".kept") })
    try FileManager.default.removeItem(atPath: folder + "/" + second)
    try FileManager.default.moveItem(atPath: first + ".moved", toPath: folder + "/" + second)
    #expect(cache.content(["b"]) == nil)
  }

  @Test func aFolderThatCannotBeIsNoError() throws {
    let file = try scratch.write([1], "file")
    let cache = SealedCache(folder: file, fileExtension: "kept", sizeLimit: 1000)
    cache.keep([1], ["a"])
    #expect(cache.content(["a"]) == nil)
  }

  @Test func whatIsTooLargeIsNotKept() {
    cache.keep([UInt8](repeating: 7, count: 936), ["fits"])
    cache.keep([UInt8](repeating: 7, count: 937), ["large"])
    #expect(cache.content(["fits"])?.count == 936)
    #expect(cache.content(["large"]) == nil)
  }

  /// What others can write, they can have sealed.
  @Test func whatOthersCanWriteIsNotUsed() throws {
    cache.keep([1, 2, 3], ["a"])
    let path = try file()
    func mode(_ path: String) -> mode_t {
      var status = stat()
      return unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }
    #expect(mode(folder) == 0o700 && mode(path) == 0o600)
    #expect(SealedCache.obstacle(in: folder) == nil && SealedCache.obstacle(in: folder + "/new") == nil)
    for (open, closed, place) in [(mode_t(0o720), mode_t(0o700), folder), (0o602, 0o600, path)] {
      #expect(unsafe chmod(place, open) == 0)
      #expect(cache.content(["a"]) == nil)
      #expect(unsafe chmod(place, closed) == 0)
      #expect(cache.content(["a"]) == [1, 2, 3])
    }
    #expect(unsafe chmod(folder, 0o777) == 0)
    cache.keep([4], ["b"])
    #expect(SealedCache.obstacle(in: folder)?.contains("other users") == true)
    #expect(unsafe chmod(folder, 0o700) == 0)
    #expect(cache.content(["b"]) == nil)
  }

  /// Only root can give files away.
  @Test(.enabled(if: geteuid() == 0)) func whatBelongsToAnotherIsNotUsed() throws {
    cache.keep([1, 2, 3], ["a"])
    for place in [try file(), folder] {
      #expect(unsafe chown(place, 12_345, 12_345) == 0)
      #expect(cache.content(["a"]) == nil)
      #expect(unsafe chown(place, 0, 0) == 0)
      #expect(cache.content(["a"]) == [1, 2, 3])
    }
    #expect(unsafe chown(folder, 12_345, 12_345) == 0)
    #expect(SealedCache.obstacle(in: folder)?.contains("another user") == true)
  }
}
