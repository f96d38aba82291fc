import Failures
import Files
import FoundationEssentials
import TestSupport
import Testing

struct FileTreeTests {
  @Test func namesAreThoseOfTheEntries() throws {
    let folder = try ScratchFolder()
    #expect(try FileTree.names(in: folder.path) == [])
    for name in ["a", ".hidden", "é ö"] { try folder.write([], name) }
    #expect(try FileTree.names(in: folder.path) == ["a", ".hidden", "é ö"])
    let names = { (path: String) in #expect(throws: FileError.self) { try FileTree.names(in: path) }?.rule }
    #expect(names(folder.path + "/absent") == .missing)
    #expect(names(folder.path + "/a") == .missing)
  }

  @Test func foldersAreMadeWithThoseAboveThem() throws {
    let folder = try ScratchFolder()
    for path in ["/a", "/a/b/c", "/a//b/d/", ""] { try FileTree.create(folder: folder.path + path) }
    #expect(try FileTree.names(in: folder.path + "/a/b") == ["c", "d"])
    try folder.write([], "file")
    for path in ["/file", "/file/below"] {
      let error = #expect(throws: FileError.self) { try FileTree.create(folder: folder.path + path) }
      #expect(error?.rule == .unwritable)
      #expect(error?.file == folder.path + path)
    }
    for path in ["/proc/legrad", ""] {
      #expect(#expect(throws: FileError.self) { try FileTree.create(folder: path) }?.rule == .unwritable)
    }
  }

  @Test func linksAreFollowed() throws {
    let folder = try ScratchFolder()
    try folder.write([1], "target")
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "target")
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/dead", withDestinationPath: "nowhere")
    #expect(FileTree.resolved(folder.path + "/link") == FileTree.resolved(folder.path + "/target"))
    #expect(FileTree.resolved(folder.path + "/link")?.hasSuffix("/target") == true)
    #expect(FileTree.resolved(folder.path + "/dead") == nil)
    #expect(FileTree.exists(folder.path + "/link"))
    #expect(FileTree.exists(folder.path))
    #expect(FileTree.exists(folder.path + "/dead"))
    #expect(FileTree.deadLink(folder.path + "/dead") == "nowhere")
    for name in ["/link", "/target", "/absent"] { #expect(FileTree.deadLink(folder.path + name) == nil) }
    #expect(!FileTree.exists(folder.path + "/absent"))
  }

  @Test func foldersAreToldFromFilesThroughLinksToo() throws {
    let folder = try ScratchFolder()
    try folder.write([], "file")
    for (link, target) in [("to-folder", "."), ("to-file", "file"), ("to-nothing", "nothing")] {
      try FileManager.default.createSymbolicLink(
        atPath: folder.path + "/" + link, withDestinationPath: folder.path + "/" + target)
    }
    let names = ["", "/file", "/to-folder", "/to-file", "/to-nothing", "/nothing"]
    #expect(names.map { FileTree.isFolder(folder.path + $0) } == [true, false, true, false, false, false])
  }
}
