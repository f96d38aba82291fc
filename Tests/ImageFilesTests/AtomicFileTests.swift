import FoundationEssentials
import ImageFiles
import Testing

@Suite struct AtomicFileTests {
  @Test("a file is written whole, replaced, and nothing else stays in the folder")
  func write() throws {
    let folder = try ImageFixtures.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "out.bin").path
    for count in [0, 1, 300_000, 17] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try AtomicFile.write(bytes, to: path)
      #expect(try Array(Data(contentsOf: URL(filePath: path))) == bytes)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.bin"])
  }

  @Test("a missing folder, or a folder in the file's place, is an error that leaves nothing behind")
  func errors() throws {
    let folder = try ImageFixtures.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let missing = folder.appending(path: "none/out.png").path
    let first = #expect(throws: ImageError.self) { try AtomicFile.write([1], to: missing) }
    #expect(first?.kind == .unwritable)
    #expect(first?.file == missing)
    let taken = folder.appending(path: "taken").path
    try FileManager.default.createDirectory(atPath: taken, withIntermediateDirectories: false)
    let second = #expect(throws: ImageError.self) { try AtomicFile.write([1], to: taken) }
    #expect(second?.kind == .unwritable)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
  }
}
