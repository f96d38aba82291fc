import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct FileHashTests {
  private let folder: ScratchFolder
  private let first, second: String
  private var cache: String { folder.path + "/cache" }
  /// When the files have not been written to for long.
  private let later = time(nil) + 1_000

  init() throws {
    folder = try ScratchFolder()
    first = try folder.write(Array("abc".utf8), "first")
    second = try folder.write([UInt8](repeating: 7, count: 3_000_001), "second")
  }

  private func hash(_ paths: [String]) -> String {
    var hash = SHA256()
    for path in paths { hash.update((try? WholeFile.read(path, limit: 1 << 24)) ?? []) }
    return hash.finish()
  }

  private func kept() -> Int { (try? FileTree.names(in: cache).count) ?? 0 }

  @Test func filesAreHashedOneAfterTheOther() throws {
    #expect(try FileHash.of([first]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(try FileHash.of([first, second]) == hash([first, second]))
    #expect(throws: FileError.self) { try FileHash.of([first, folder.path + "/absent"], cacheFolder: cache) }
    #expect(kept() == 0)
  }

  @Test func whatWasKeptIsFoundAgain() throws {
    let found = try FileHash.of([first, second], cacheFolder: cache, now: later)
    #expect(found == hash([first, second]) && kept() == 1)
    // Another hash under the same stamps shows where the answer comes from.
    let stamps = try #require(FileHash.stamps(of: [first, second]))
    let other = String(repeating: "e", count: 64)
    SealedCache(folder: cache, fileExtension: "hash", sizeLimit: 1 << 10)
      .keep(Array(other.utf8), FileHash.parts(stamps))
    #expect(try FileHash.of([first, second], cacheFolder: cache) == other)
    #expect(try FileHash.of([second, first], cacheFolder: cache) == hash([second, first]))
    #expect(try FileHash.of([first], cacheFolder: cache) == hash([first]))
    #expect(try FileHash.of([first, second]) == found)
  }

  /// Neither the size nor the date of the file tell the second content from the first.
  @Test func aChangedFileIsReadAgain() throws {
    #expect(try FileHash.of([first], cacheFolder: cache, now: later) == hash([first]))
    var status = stat()
    #expect(unsafe stat(first, &status) == 0)
    // Longer than the step of a clock of the kernel.
    usleep(50_000)
    _ = try folder.write(Array("abd".utf8), "first")
    var times = [status.st_atim, status.st_mtim]
    #expect(unsafe utimensat(AT_FDCWD, first, &times, 0) == 0)
    #expect(try FileHash.of([first], cacheFolder: cache, now: later) == hash([first]))
    #expect(kept() == 2)
  }

  /// Its time may stay the same when it is written to once more.
  @Test func aFileThatWasJustWrittenIsNotKept() throws {
    #expect(try FileHash.of([first], cacheFolder: cache) == hash([first]))
    #expect(kept() == 0)
  }

  @Test func withoutAFolderToKeepItInItIsComputed() throws {
    _ = try folder.write([], "cache")
    for _ in 0..<2 { #expect(try FileHash.of([first], cacheFolder: cache, now: later) == hash([first])) }
  }
}
