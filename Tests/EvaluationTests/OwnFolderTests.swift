import Failures
import Files
import FoundationEssentials
import ImageFiles
import LeGrad
import TestSupport
import Testing
import Texts

@testable import Evaluation

/// Folders of pictures as people have them: masks that are drawn wrong, cameras' orientations, files of other kinds, names
/// in any bytes.
@Suite struct OwnFolderTests {
  let scratch: ScratchFolder
  let classIndex: ClassIndex

  init() throws {
    scratch = try ScratchFolder()
    classIndex = try ClassIndex(path: Expected.path("imagenet_class_index.json"))
    for folder in ["images", "masks"] { try FileTree.create(folder: scratch.path + "/" + folder) }
  }

  private func write(_ bytes: [UInt8], _ name: FilePath) throws {
    try AtomicFile.write(bytes, to: FileTree.join(scratch.path, name.text))
  }

  /// A picture whose pixels all differ, and one of them.
  private static let width = 5, height = 3
  private static let pixels: [UInt8] = (0..<UInt8(width * height)).flatMap { [$0 + 1, 0, 255 - $0] }

  private static func png(_ pixels: [UInt8], _ channels: PNGEncoder.Channels, turned: UInt8? = nil) throws -> [UInt8] {
    let plain = try PNGEncoder.encode(pixels: pixels, width: width, height: height, channels: channels)
    guard let turned else { return plain }
    // Behind IHDR, which is 33 bytes with the signature.
    return plain[..<33] + chunk("eXIf", note(turned)) + plain[33...]
  }

  /// A directory of one entry, the orientation.
  private static func note(_ orientation: UInt8) -> [UInt8] {
    [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    let body = Array(name.utf8) + content
    var check: UInt32 = .max
    for byte in body {
      check ^= UInt32(byte)
      for _ in 0..<8 { check = check & 1 == 1 ? check >> 1 ^ 0xEDB8_8320 : check >> 1 }
    }
    return number(UInt32(content.count)) + body + number(~check)
  }

  /// The picture `a` with a mask, and one of another class, so that there are two.
  private func image(mask: [UInt8]) throws -> EvaluationImage {
    try write(Self.png(Self.pixels, .rgb), "images/a.png")
    try write(Self.png(Self.pixels, .rgb), "images/b.png")
    try write(mask, "masks/a.png")
    try write(Array(#"{"a": "cat", "b": "dog"}"#.utf8), "classes.json")
    return try MaskFolder(path: scratch.path).image(at: 0)
  }

  private func reason(mask: [UInt8]) -> String {
    do {
      _ = try image(mask: mask)
      return "no error"
    } catch { return "\(error)" }
  }

  private static let object: [UInt8] = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]

  @Test func masksShowTheirObjectInColours() throws {
    let masks: [[UInt8]] = try [
      Self.png(Self.object.map { $0 * 255 }, .grey),
      // Two colours, as there are two classes.
      Self.png(Self.object.enumerated().flatMap { [0, $1 * ($0 < 5 ? 7 : 9), 0] }, .rgb),
      // Opaque all over, and opaque where the object is.
      Self.png(Self.object.flatMap { [$0, $0, $0, 255] }, .rgba),
      Self.png(Self.object.flatMap { [$0, 0, 0, $0 * 200] }, .rgba),
    ]
    for mask in masks { #expect(try image(mask: mask).mask?.values == Self.object) }
  }

  @Test func aMaskWithoutAnObjectIsAFailure() throws {
    let black = try Self.png(Self.object.map { _ in 0 }, .grey)
    #expect(reason(mask: black).contains("a.png: expected an object in any colour but black, found black all over"))
    let alpha = try Self.png(Self.object.flatMap { [0, 0, 0, $0 * 255] }, .rgba)
    #expect(reason(mask: alpha).contains("found one in the alpha channel alone"))
    // White all over, with the object in alpha.
    let white = try Self.png(Self.object.flatMap { [255, 255, 255, $0 * 255] }, .rgba)
    #expect(reason(mask: white).contains("expected black where the mask is transparent"))
    let three = try Self.png(Self.object.enumerated().flatMap { [$1 * UInt8($0), 0, 0] }, .rgb)
    #expect(reason(mask: three).contains("expected at most 2 colours beside black"), "\(reason(mask: three))")
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt8])
  func picturesAndMasksAreTurnedUpright(orientation value: UInt8) throws {
    let orientation = try #require(ExifOrientation(rawValue: Int(value)))
    let upright = RGBImage(width: Self.width, height: Self.height, pixels: Self.pixels).applying(orientation)
    let shown = RGBImage(width: Self.width, height: Self.height, pixels: Self.object.flatMap { [$0, $0, $0] })
      .applying(orientation)
    // A mask that was drawn on what is seen, and one that was stored as the picture is.
    let drawn = try PNGEncoder.encode(pixels: shown.pixels, width: shown.width, height: shown.height, channels: .rgb)
    let stored = try Self.png(Self.object, .grey, turned: value)
    for mask in [drawn, stored] {
      try write(Self.png(Self.pixels, .rgb, turned: value), "images/a.png")
      try write(mask, "masks/a.png")
      try write(Array(#"{"a": "cat"}"#.utf8), "classes.json")
      let image = try MaskFolder(path: scratch.path).image(at: 0)
      #expect(image.image == upright)
      #expect(image.mask?.values == (0..<shown.pixels.count / 3).map { shown.pixels[3 * $0] })
      #expect(image.storedOrientation == orientation && image.isTurned)
    }
  }

  @Test func aMaskOfTheStoredPixelsSaysWhyItDoesNotFit() throws {
    try write(Self.png(Self.pixels, .rgb, turned: 6), "images/a.png")
    try write(Self.png(Self.object, .grey), "masks/a.png")
    try write(Array(#"{"a": "cat"}"#.utf8), "classes.json")
    let error = #expect(throws: LeGradError.self) { try MaskFolder(path: scratch.path).image(at: 0) }
    let words = "expected 3 × 5 pixels, as in the picture once it is turned as its EXIF orientation 6 asks, found 5 × 3"
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  /// Rows of before are not those of now only where a picture is turned.
  @Test func theManifestKnowsOfTurns() throws {
    func hash(_ turned: UInt8?) throws -> String {
      try write(Self.png(Self.pixels, .rgb, turned: turned), "images/a.png")
      let file = FileTree.join(scratch.path, "images/a.png")
      let (asPicture, asFile) = (
        Manifest.Entry(id: "a", of: [.picture(file)]), Manifest.Entry(id: "a", of: [.file(file)])
      )
      #expect(asPicture.byteCount == asFile.byteCount)
      #expect((asPicture == asFile) == ([nil, 1].contains(turned)), "\(turned ?? 0)")
      return asPicture.hash
    }
    #expect(try Set([nil, 1, 3, 6].map(hash)).count == 4)
  }

  @Test func publishedBenchmarksReadPicturesAsStored() throws {
    try FileTree.create(folder: scratch.path + "/val/n01440764")
    try write(Self.png(Self.pixels, .rgb, turned: 6), "val/n01440764/a.png")
    let image = try ImageNetFolder(images: scratch.path + "/val", classIndex: classIndex).image(at: 0)
    #expect(image.image.pixels == Self.pixels)
    #expect(image.storedOrientation == .turnClockwise && !image.isTurned)
  }

  @Test func whatIsNotReadIsCounted() throws {
    let png = try Self.png(Self.pixels, .rgb)
    try FileTree.create(folder: scratch.path + "/val/n01440764/below")
    for name in ["a.JPEG", "b.jfif", "c", "d.webp", "e.WebP", "f.png", ".hidden.webp"] {
      try write(png, FilePath("val/n01440764/" + name))
    }
    try write(png, "val/outside.png")
    let dataset = try ImageNetFolder(images: scratch.path + "/val", classIndex: classIndex)
    #expect(dataset.manifest.entries.count == 2)
    #expect(
      dataset.leftOut.counts == [
        ".jfif": 1, ".webp": 2, "without an ending": 1, "folders": 1, "outside the folders of classes": 1,
      ])
    #expect(dataset.leftOut.remark.hasPrefix("left out of the pictures: 2 .webp, 1 .jfif, 1 folders, 1 "))
    #expect(try MaskFolder(path: Expected.path("mask-folder")).leftOut.isEmpty)
  }

  @Test func theReportNamesWhatIsNotRead() throws {
    var leftOut = LeftOut()
    leftOut.add(ending: "webp")
    let run = SyntheticRun(3)
    let recorder = try ShardRecorder(
      folder: scratch.path + "/out", identity: run.identity, manifest: run.manifest, leftOut: leftOut, shard: .whole,
      resume: false)
    for index in recorder.remaining { try recorder.append(run.row(index)) }
    try recorder.publish()
    let report = try EvaluationReport(Merge.read([scratch.path + "/out"]))
    #expect(report.leftOut == leftOut)
    #expect(report.markdown.contains("- left out of the pictures: 1 .webp; only .png, .jpg and .jpeg are read\n"))
    #expect(report.json.contains(#""leftOut" : {"#) && report.json.contains(#"".webp" : 1"#))
  }

  private static let twins: [FilePath] = [
    FilePath(bytes: [0x63, 0xE9]), "caf\u{E9}", "cafe\u{301}",
  ]

  @Test func namesAreBytes() throws {
    for (place, name) in Self.twins.enumerated() {
      var pixels = Self.pixels
      pixels[0] = UInt8(200 + place)
      try write(Self.png(pixels, .rgb), FilePath(bytes: Array("images/".utf8) + name.bytes + Array(".png".utf8)))
      var object = Self.object
      object[0] = 1
      object[place + 5] = 1
      try write(Self.png(object, .grey), FilePath(bytes: Array("masks/".utf8) + name.bytes + Array(".png".utf8)))
    }
    let json = #"{"caf\#u{E9}": "one", "cafe\#u{301}": "two", "c\\xE9": "three"}"#
    try write(Array(json.utf8), "classes.json")
    let dataset = try MaskFolder(path: scratch.path)
    let ids = dataset.manifest.entries.map { Array($0.id.utf8) }
    #expect(ids == ["c\\xE9", "cafe\u{301}", "caf\u{E9}"].map { Array($0.utf8) })
    for (index, id) in ids.enumerated() {
      let image = try dataset.image(at: index)
      #expect(Array(image.id.utf8) == id)
      let place = try #require(Self.twins.firstIndex { Array($0.description.utf8) == id })
      #expect(image.image.pixels[0] == UInt8(200 + place))
      #expect(image.mask?.values[place + 5] == 1)
      #expect(image.classIndex.map { dataset.classNames[$0] } == ["three", "one", "two"][place])
    }
    try write(Array(#"{"a": "x", "a": "y"}"#.utf8), "classes.json")
    let error = #expect(throws: LeGradError.self) { try MaskFolder(path: scratch.path) }
    #expect(
      error?.description.contains(#"expected every key once, found "a" twice"#) == true, "\(String(describing: error))")
  }

  // MARK: labels without a name

  private func points(_ csv: String, descriptions: String) throws -> OpenImagesPoints {
    for name in ["one", "two", "three"] { try write(Self.png(Self.pixels, .rgb), FilePath("images/\(name).png")) }
    let header = "ImageId,X,Y,Label,EstimatedYesNo\n"
    try write(Array((header + csv).utf8), "points.csv")
    try write(Array(("LabelName,DisplayName\n" + descriptions).utf8), "names.csv")
    return try OpenImagesPoints(
      images: scratch.path + "/images", points: scratch.path + "/points.csv",
      classDescriptions: scratch.path + "/names.csv")
  }

  @Test func aLabelWithoutANameFailsItsImageAlone() throws {
    let csv = """
      one,0.5,0.5,/m/1,yes
      two,0.5,0.5,/m/1,no
      two,0.5,0.5,/m/unknown,yes
      three,0.5,0.5,/m/empty,yes
      one,0.1,0.1,/m/unknown,unsure

      """
    let dataset = try points(csv, descriptions: "/m/1,Cat\n/m/empty,\n/m/other,Dog\n")
    #expect(dataset.manifest.entries.map(\.id) == ["one", "three", "two"])
    #expect(dataset.classIDs == ["/m/1"] && dataset.classNames == ["Cat"])
    #expect(try dataset.image(at: 0).points == [0: [LabelledPoint(x: 0.5, y: 0.5, isPositive: true)]])
    for (index, words) in [(1, "expected a name for /m/empty in "), (2, "expected a name for /m/unknown in ")] {
      let error = #expect(throws: LeGradError.self) { try dataset.image(at: index) }
      #expect(error?.kind == .input)
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains(index == 1 ? "found an empty one" : "found none") == true)
    }
  }

  @Test func labelsOfWhichNoneHasANameAreAnError() {
    let error = #expect(throws: LeGradError.self) {
      try points("one,0.5,0.5,/m/2,yes\n", descriptions: "/m/1,Cat\n")
    }
    #expect(error?.description.contains("names.csv: expected the names of the labels in ") == true)
  }
}
