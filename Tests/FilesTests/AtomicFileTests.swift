import Failures
import Files
import FoundationEssentials
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  @Test("a file is written whole, replaced, and nothing else stays in the folder")
  func write() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/out.bin"
    for count in [0, 1, 300_000, 17] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try AtomicFile.write(bytes, to: path)
      #expect(try Array(Data(contentsOf: URL(filePath: path))) == bytes)
    }
    #expect(try folder.listing == ["out.bin"])
  }

  @Test("a missing folder, or a folder in the file's place, is an error that leaves nothing behind")
  func errors() throws {
    let folder = try ScratchFolder()
    let missing = folder.path + "/none/out.png"
    let first = #expect(throws: FileError.self) { try AtomicFile.write([1], to: missing) }
    #expect(first?.rule == .unwritable)
    #expect(first?.file == missing)
    #expect(first?.place == "writing")
    let taken = folder.path + "/taken"
    try FileManager.default.createDirectory(atPath: taken, withIntermediateDirectories: false)
    let second = #expect(throws: FileError.self) { try AtomicFile.write([1], to: taken) }
    #expect(second?.rule == .unwritable)
    #expect(try folder.listing == ["taken"])
    #expect(
      first?.description == "\(missing): writing: expected a writable folder with room, "
        + "found No such file or directory; check the folder, its permissions and the free space")
  }

  @Test("a link in the file's place is replaced, not followed")
  func link() throws {
    let folder = try ScratchFolder()
    let target = try folder.write([1, 2], "target")
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "target")
    try AtomicFile.write([3], to: folder.path + "/link")
    #expect(try Array(Data(contentsOf: URL(filePath: target))) == [1, 2])
    #expect(try Array(Data(contentsOf: URL(filePath: folder.path + "/link"))) == [3])
  }
}
