import Failures
import Files
import Glibc
import TestSupport
import Testing

struct FilePathTests {
  /// Every byte alone and among letters, characters of every length, halves of them, and those that texts have for bytes.
  private static let names: [[UInt8]] =
    (1...255).flatMap { (byte: UInt8) in [[byte], [0x61, byte, 0x62]] }
    + [
      [], Array("caf\u{E9}".utf8), Array("cafe\u{301}".utf8), Array("\u{20AC}\u{1F600}/\u{301}".utf8), [0xE2, 0x82],
      [0xE2, 0x82, 0x41], [0xF0, 0x9F, 0x98], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
      Array("\u{10FF7F}\u{10FF80}\u{10FFE9}\u{10FFFF}".utf8), Array("\u{10FFE9}".utf8.dropLast()) + [0xE9, 0xE9],
    ]

  @Test func everyPathComesBackFromItsText() {
    for bytes in Self.names {
      let path = FilePath(bytes: bytes)
      #expect(path.bytes == bytes)
      #expect(FilePath(path.text).bytes == bytes, "\(bytes)")
      #expect(path.text.fileSystemBytes.map { UInt8(bitPattern: $0) } == bytes + [0])
    }
    #expect(Set(Self.names.map { Array(FilePath(bytes: $0).text.utf8) }).count == Set(Self.names).count)
    #expect(FilePath(bytes: Array("caf\u{E9}".utf8)).text.utf8.elementsEqual("caf\u{E9}".utf8))
  }

  @Test func whatLooksAlikeIsTwo() {
    let twins: [FilePath] = ["caf\u{E9}.png", "cafe\u{301}.png"]
    #expect(twins[0] != twins[1] && Set(twins).count == 2)
    #expect(twins.sorted() == [twins[1], twins[0]])
  }

  @Test func bytesAreShown() {
    let path = FilePath(bytes: Array("caf".utf8) + [0xE9, 0x0A] + Array("\u{20AC}".utf8))
    #expect(path.description == "caf\\xE9\n\u{20AC}")
    #expect(printable(path.text, limit: 20) == "caf\\xE9\\u{a}\u{20AC}")
    #expect(printable("\u{E000}", limit: 20) == "\\u{e000}")
    #expect(FilePath("caf\u{E9}").description == "caf\u{E9}")
  }

  @Test(arguments: [
    ("photo.jpg", "photo", "jpg"), ("a/b/c.tar.PNG", "c.tar", "png"), ("a.b/c", "c", nil), (".png", ".png", "png"),
    ("a/b/", "b", nil), ("x.", "x", ""), ("a/\u{301}b.png", "\u{301}b", "png"),
  ])
  func stems(path: FilePath, stem: FilePath, ending: String?) {
    #expect(path.stem == stem)
    #expect(path.ending == ending)
  }

  @Test func namesAreBytesToTheSystem() throws {
    let folder = try ScratchFolder()
    let names: [FilePath] = [
      FilePath(bytes: [0x63, 0xE9]), "caf\u{E9}", "cafe\u{301}", "\u{301}mark", FilePath(bytes: "\u{10FFE9}".utf8),
    ]
    for (place, name) in names.enumerated() {
      let path = FileTree.join(folder.path, name.text)
      #expect(!FileTree.exists(path))
      try AtomicFile.write([UInt8(place)], to: path)
      #expect(try WholeFile.read(path, limit: 1) == [UInt8(place)])
      #expect(try FilePath(#require(FileTree.resolved(path))).name == name)
    }
    // The system's own view: the first name is two bytes.
    #expect(
      unsafe access((folder.path + "/").utf8.map { CChar(bitPattern: $0) } + [0x63, CChar(bitPattern: 0xE9), 0], F_OK)
        == 0)
    #expect(try FileTree.names(in: folder.path) == Set(names))
    let below = FileTree.join(folder.path, FilePath(bytes: [0xFF]).text + "/\u{301}/x")
    #expect(try FileTree.create(folder: below).count == 3)
    #expect(FileTree.isFolder(below))
    #expect(try FileTree.names(in: folder.path).contains(FilePath(bytes: [0xFF])))
  }
}
