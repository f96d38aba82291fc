import Failures
import Files
import Glibc
import LeGrad
import Synchronization
import TestSupport
import Testing

@testable import Evaluation

/// Files of a data set are hashed once, and again where they changed.
@Suite struct ManifestHashingTests {
  private let folder: ScratchFolder
  private let sources: [ManifestHashing.Source]
  /// Before the files were written, in seconds.
  private let start: Int
  private var cache: String { folder.path + "/cache" }

  /// Several chunks.
  private static let count = 1_500

  init() throws {
    let folder = try ScratchFolder()
    self.folder = folder
    start = time(nil)
    sources = try (0..<Self.count).map { number in
      let id = String(String(number + 10_000).dropFirst())
      let path = try folder.write(Array("picture \(number)".utf8), id + ".png")
      return .init(id: id, parts: [number % 2 == 0 ? .picture(path) : .file(path), .text("class \(number % 7)")])
    }
  }

  /// - Parameter isLater: whether nobody has written to the files for long.
  private func hashing(_ shard: Shard = .whole, isLater: Bool = true) -> ManifestHashing {
    var hashing = ManifestHashing()
    hashing.cacheFolder = cache
    hashing.shard = shard
    hashing.now = isLater ? time(nil) + 1_000 : start
    return hashing
  }

  private var expected: [Manifest.Entry] {
    get throws { try sources.map { try Manifest.Entry(id: $0.id, of: $0.parts) } }
  }

  private func kept() -> Int { (try? FileTree.names(in: cache).count) ?? 0 }

  /// Keeps other hashes of a chunk under the same key, which shows where an answer comes from.
  private func forge(_ chunk: Range<Int>) throws {
    let stamps = try #require(hashing().stamps(of: sources[chunk]))
    let forged = chunk.map { _ in "1 " + String(repeating: "f", count: 64) + "\n" }.joined()
    SealedCache(folder: cache, fileExtension: "hashes", sizeLimit: ManifestHashing.sizeLimit)
      .keep(Array(forged.utf8), ManifestHashing.key(sources[chunk], stamps))
  }

  @Test func entriesAreTheSameWithAndWithoutACache() throws {
    let expected = try expected
    #expect(try ManifestHashing().entries(sources) == expected)
    #expect(try hashing().entries(sources) == expected)
    let chunks = ManifestHashing.chunks(sources)
    #expect(chunks.count > 2 && chunks.flatMap { Array($0) } == Array(sources.indices))
    #expect(kept() == chunks.count)
    #expect(try hashing().entries(sources) == expected)
    for index in 0..<3 {
      #expect(try hashing(#require(Shard(index: index, count: 3))).entries(sources) == expected)
    }
  }

  @Test func whatIsKeptIsNotReadAgain() throws {
    var entries = try hashing().entries(sources)
    let chunk = ManifestHashing.chunks(sources)[1]
    try forge(chunk)
    for place in chunk {
      entries[place] = .init(id: entries[place].id, byteCount: 1, hash: .init(repeating: "f", count: 64))
    }
    #expect(try hashing().entries(sources) == entries)
  }

  @Test func filesThatWereWrittenToJustNowAreNotKept() throws {
    #expect(try hashing(isLater: false).entries(sources) == expected)
    #expect(kept() == 0)
  }

  /// Neither size nor date tell the new content from the old one.
  @Test func aChangedPictureIsNoticed() throws {
    let before = try hashing().entries(sources)
    let changed = 700
    let path = try #require(sources[changed].files.first)
    var status = stat()
    #expect(unsafe stat(path, &status) == 0)
    _ = try folder.write(Array("Picture \(changed)".utf8), "\(sources[changed].id).png")
    var times = [status.st_atim, status.st_mtim]
    #expect(unsafe utimensat(AT_FDCWD, path, &times, 0) == 0)
    let after = try hashing().entries(sources)
    #expect(after.indices.filter { after[$0] != before[$0] } == [changed])
    // One that takes its place with its date and size.
    let other = try folder.write(Array("PICTURE \(changed)".utf8), "other")
    #expect(unsafe utimensat(AT_FDCWD, other, &times, 0) == 0)
    #expect(unsafe rename(other, path) == 0)
    let last = try hashing().entries(sources)
    #expect(last.indices.filter { last[$0] != after[$0] } == [changed] && last[changed] != before[changed])
    #expect(try last == expected)
  }

  @Test func anotherTruthIsAnotherHash() throws {
    let before = try hashing().entries(sources)
    var others = sources
    others[3] = .init(id: others[3].id, parts: [others[3].parts[0], .text("another class")])
    let after = try hashing().entries(others)
    #expect(after.indices.filter { after[$0] != before[$0] } == [3])
  }

  /// An image more changes its own chunk: the others are found.
  @Test func oneMoreLeavesTheOtherChunks() throws {
    _ = try hashing().entries(sources)
    let before = kept()
    let path = try folder.write(Array("more".utf8), "more.png")
    var more = sources
    more.insert(.init(id: "0000a", parts: [.picture(path)]), at: 1)
    #expect(try hashing().entries(more).count == Self.count + 1)
    #expect(kept() <= before + 2)
  }

  @Test func progressComesFromTheFirstAndToTheLast() throws {
    for _ in 0..<2 {
      let told = Mutex<[Int]>([])
      var hashing = hashing(try #require(Shard(index: 1, count: 2)))
      hashing.progress = { done, total in told.withLock { $0.append(total == Self.count ? done : -1) } }
      _ = try hashing.entries(sources)
      let steps = told.withLock { $0 }
      #expect(steps.first.map { $0 >= 1 } == true && steps.last == Self.count)
      #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  @Test func aFileThatIsNotThereIsInTheHashAsSuch() throws {
    let absent = [ManifestHashing.Source(id: "a", parts: [.picture(folder.path + "/absent"), .file(folder.path)])]
    let entries = try hashing().entries(absent)
    #expect(try entries == [Manifest.Entry(id: "a", of: absent[0].parts)] && entries[0].byteCount == 0 && kept() == 0)
  }
}
