import Files
import FoundationEssentials
import TestSupport
import Testing

struct GrowingFileTests {
  private func contents(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

  private func opened(_ path: String) throws -> GrowingFile { try #require(try GrowingFile.open(path)) }

  @Test func growsByRecordsAndTakesItsName() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/a.part"
    let file = try opened(path)
    try file.append([1, 2])
    #expect(try contents(path) == [1, 2])
    try file.append([])
    try file.append([3])
    #expect(file.size == 3)
    try file.publish(as: folder.path + "/a")
    #expect(try folder.listing == ["a"])
    #expect(try contents(folder.path + "/a") == [1, 2, 3])
  }

  @Test func goesOnWithWhatIsThere() throws {
    let folder = try ScratchFolder()
    let file = try opened(try folder.write([1, 2, 3, 4], "a"))
    #expect(file.size == 4)
    try file.cut(to: 3)
    try file.append([9])
    #expect(try contents(folder.path + "/a") == [1, 2, 3, 9])
  }

  @Test func isOneOwnersAtATime() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/a"
    do {
      let first = try opened(path)
      #expect(try GrowingFile.open(path) == nil)
      try first.append([])
    }
    let second = try opened(path)
    // A published file is not the one that the next owner gets.
    try second.append([1])
    try second.publish(as: folder.path + "/b")
    let third = try opened(path)
    #expect(third.size == 0)
    third.remove()
    #expect(try folder.listing == ["b"])
  }

  @Test func anotherWriterShows() throws {
    let folder = try ScratchFolder()
    let file = try opened(folder.path + "/a")
    try file.append([1])
    try folder.write([1, 2], "a")
    #expect(throws: FileError.self) { try file.append([2]) }
    #expect(throws: FileError.self) { try file.publish(as: folder.path + "/b") }
  }

  @Test func whatIsNoFileOrCannotBeMadeIsAnError() throws {
    let folder = try ScratchFolder()
    let file = try folder.write([], "file")
    for path in [folder.path, file + "/a", folder.path + "/absent/a", "/proc/a", "/dev/null", ""] {
      #expect(throws: FileError.self) { try GrowingFile.open(path) }
    }
  }

  @Test func aLockThatIsHadHasNoFault() throws {
    let folder = try ScratchFolder()
    #expect(try opened(folder.path + "/a").lockFault == nil)
  }
}
