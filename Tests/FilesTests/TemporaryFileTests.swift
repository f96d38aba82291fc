import Failures
import Files
import FoundationEssentials
import Glibc
import TestSupport
import Testing

struct TemporaryFileTests {
  private func contents(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

  @Test(arguments: [true, false], [true, false])
  func appearsWholeUnderItsName(overwrite: Bool, durably: Bool) throws {
    let folder = try ScratchFolder()
    let file = try TemporaryFile(target: folder.path + "/a.bin")
    try file.write([1, 2, 3])
    try file.write([])
    #expect(try folder.listing.map { $0.hasPrefix(".a.bin.") } == [true])
    try file.write([4])
    try file.commit(overwrite: overwrite, durably: durably)
    #expect(try folder.listing == ["a.bin"])
    #expect(try contents(folder.path + "/a.bin") == [1, 2, 3, 4])
  }

  @Test func isRemovedWhenDropped() throws {
    let folder = try ScratchFolder()
    do {
      let file = try TemporaryFile(target: folder.path + "/a.bin")
      try file.write([1])
    }
    #expect(try folder.listing == [])
  }

  @Test func whatAppearedMeanwhileIsKeptUnlessOverwritingIsAskedFor() throws {
    let folder = try ScratchFolder()
    for overwrite in [false, true] {
      let file = try TemporaryFile(target: folder.path + "/a.bin")
      try file.write([9])
      try folder.write([1, 2], "a.bin")
      var kind: FileRule?
      do throws(FileError) { try file.commit(overwrite: overwrite, durably: false) } catch { kind = error.rule }
      #expect(kind == (overwrite ? nil : .exists))
      #expect(try contents(folder.path + "/a.bin") == (overwrite ? [9] : [1, 2]))
      #expect(try folder.listing == ["a.bin"])
    }
  }

  @Test func foldersThatCannotBeWrittenAreErrors() throws {
    let folder = try ScratchFolder()
    let file = try folder.write([], "file")
    for target in [folder.path + "/absent/a", file + "/a", "/proc/a"] {
      var error: FileError?
      do throws(FileError) { _ = try TemporaryFile(target: target) } catch let caught { error = caught }
      #expect(error?.rule == .unwritable)
      #expect(error?.file == target)
    }
  }

  /// Root may replace `/dev/null`, and a script that writes its results there would.
  @Test func whatIsNoFileIsNotReplaced() throws {
    let folder = try ScratchFolder()
    let path = { (name: String) in folder.path + "/" + name }
    #expect(unsafe mkfifo(path("pipe"), 0o600) == 0 && mkdir(path("folder"), 0o700) == 0)
    for (link, target) in [("to-folder", "folder"), ("to-device", "/dev/null"), ("output", "/proc/self/fd/1")] {
      #expect(unsafe symlink(target, path(link)) == 0)
    }
    let all = try folder.listing
    for (name, found) in [
      ("pipe", "a pipe"), ("folder", "a folder"), ("to-folder", "a folder"), ("to-device", "a device"),
      ("output", "a link to what this process has open"),
    ] {
      for replaces in [true, false] {
        var error: FileError?
        do throws(FileError) {
          let file = try TemporaryFile(target: path(name))
          try file.commit(overwrite: replaces, durably: false)
        } catch let caught { error = caught }
        #expect(error?.rule == .unwritable && error?.file == path(name))
        #expect(error?.found == found)
      }
    }
    #expect(try folder.listing == all)
    // A link to a file, or to nothing, is replaced as a file is.
    for (link, target) in [("to-file", try folder.write([1], "file")), ("to-nothing", "nothing")] {
      #expect(unsafe symlink(target, path(link)) == 0)
      try AtomicFile.write([2], to: path(link))
      #expect(try contents(path(link)) == [2])
    }
    #expect(try contents(path("file")) == [1])
  }

  /// In a process of its own: those of tests beside this one would go as well.
  @Test func allThatAreBegunCanBeRemoved() async throws {
    await #expect(processExitsWith: .success) {
      let folder = try ScratchFolder()
      let first = try TemporaryFile(target: folder.path + "/a.bin")
      do { try TemporaryFile(target: folder.path + "/b.bin").commit(overwrite: false, durably: false) }
      let third = try TemporaryFile(target: folder.path + "/c.bin")
      #expect(try folder.listing.count == 3)
      TemporaryFile.removeAll()
      #expect(try folder.listing == ["b.bin"])
      try first.write([1])
      try third.write([1])
    }
  }
}
