import Failures
import Files
import Foundation
import LeGrad
import TestSupport
import Testing

@testable import LeGradCLI

/// Files, folders, patterns and lists as inputs.
@Suite struct InputListTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func folder(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: scratch.path(name), withIntermediateDirectories: true)
  }

  private func list(_ names: [String], recursive: Bool = false) throws -> (paths: [String], remarks: [String]) {
    let list = try InputList(
      names.map(scratch.path), recursive: recursive, output: scratch.path("photos/results"))
    func relative(_ text: String) -> String { text.replacing(scratch.path + "/", with: "") }
    return (list.paths.map(relative), list.remarks.map(relative))
  }

  private func makePhotos() throws {
    try folder("photos/trip/deep")
    try folder("photos/results")
    for name in ["photos/b.png", "photos/a.PNG", "photos/trip/c.png", "photos/trip/deep/d.png", "photos/results/e.png"]
    {
      try scratch.copy("images/grey1-1x1.png", to: name)
    }
    try scratch.copy("images/1x1.jpg", to: "photos/picture")
    try scratch.copy("images/1x1.jpg", to: "photos/picture.dat")
    try scratch.copy("images/1x1.jpg", to: "photos/.hidden.jpg")
    for name in ["1.txt", "2.txt", "clip.mov", "none"] { try scratch.write("text", to: "photos/" + name) }
    try scratch.write("no picture", to: "photos/z.webp")
  }

  @Test func aFolderIsItsPicturesByNameOrContent() throws {
    try makePhotos()
    let (paths, remarks) = try list(["photos"])
    #expect(
      paths == ["photos/a.PNG", "photos/b.png", "photos/picture", "photos/picture.dat", "photos/z.webp"])
    #expect(
      remarks == [
        "photos: left out 2 .txt, 2 folders (-r goes into them), 1 .mov, 1 without an ending; "
          + "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC is read"
      ])
  }

  @Test func foldersOfFoldersAreTakenOnRequest() throws {
    try makePhotos()
    let list = try InputList([scratch.path("photos")], recursive: true, output: scratch.path("photos/results"))
    #expect(
      list.items.suffix(3).map(\.depth) == [1, 2, 0] && list.items.suffix(3).first?.path.hasSuffix("trip/c.png") == true
    )
    #expect(!list.paths.contains { $0.hasSuffix("e.png") })
    #expect(list.remarks.first?.contains("1 folder of results") == true)
  }

  @Test func linksThatCloseACircleAreWalkedOnce() throws {
    try makePhotos()
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path("photos/trip/up"), withDestinationPath: scratch.path("photos"))
    #expect(try list(["photos"], recursive: true).paths.count == 7)
  }

  @Test func patternsAreExpandedInTheOrderOfBytes() throws {
    try makePhotos()
    #expect(try list(["photos/*.png"]).paths == ["photos/b.png"])
    #expect(try list(["photos/*.[pP][nN][gG]"]).paths == ["photos/a.PNG", "photos/b.png"])
    #expect(
      try list(["photos/{b,z}.*", "photos/tri?"]).paths == ["photos/b.png", "photos/z.webp", "photos/trip/c.png"])
    // A file of that very name is meant.
    try scratch.copy("images/1x1.jpg", to: "photos/[b].png")
    #expect(try list(["photos/[b].png"]).paths == ["photos/[b].png"])
    // One without a match is a file that is not there.
    #expect(try list(["photos/*.tif"]).paths == ["photos/*.tif"])
  }

  @Test func aFileThatIsNamedTwiceIsTakenOnce() throws {
    try makePhotos()
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path("link.png"), withDestinationPath: scratch.path("photos/b.png"))
    let (paths, remarks) = try list(["photos/b.png", "photos/b.png", "photos/../photos/b.png", "link.png", "gone.png"])
    #expect(paths == ["photos/b.png", "gone.png"])
    #expect(
      remarks == [
        "photos/b.png: is named twice, and is explained once",
        "photos/../photos/b.png: is the file photos/b.png, and is explained once",
        "link.png: is the file photos/b.png, and is explained once",
      ])
  }

  @Test func listsAreLinesOrBetweenZeros() {
    #expect(InputList.paths(inList: Array("a b.png\n\nc.png".utf8)) == ["a b.png", "c.png"])
    #expect(InputList.paths(inList: Array("a\nb.png\0c.png\0".utf8)) == ["a\nb.png", "c.png"])
    #expect(InputList.paths(inList: []) == [])
    #expect(InputList.paths(inList: [0x61, 0xFF]).map { FilePath($0).bytes } == [[0x61, 0xFF]])
  }

  /// The command: folders in folders, a list, and a name that is not UTF-8.
  @Test func theCommandTakesAllOfThem() throws {
    let script = """
      mkdir -p in/x; cp "$P" in/a.png; cp "$P" in/x/a.png; cp "$P" "in/x/$(printf 'b\\377.png')"
      find in -name '*.png' -print0 | "$L" explain - -p x -m "$M" --device cpu --format json -o listed
      test -s listed/in/a.json; test -s listed/x/a.json; test -s "listed/$(printf 'b\\377.json')"
      "$L" explain in -r -p x -m "$M" --device cpu --format json -o walked
      test -s walked/a.json; test -s walked/x/a.json; test -s "walked/x/$(printf 'b\\377.json')"
      """
    let environment = ["L": CommandRunner.binary, "M": GoldenCommand.model, "P": GoldenCommand.image]
    let result = try RunningCommand(
      ["-e", "-c", script], in: scratch, environment: environment, executable: "/bin/sh"
    ).wait()
    expectExit(0, result)
  }
}
