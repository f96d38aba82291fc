import Failures
import FoundationEssentials
import Randomness
import Testing

@testable import ImageFiles

/// AVIF and HEIC: what Pillow's libavif and pillow-heif's libheif read of each kind, and what is made of damage.
@Suite struct HEIFTests {
  /// Levels by which libraries may differ that bring YCbCr to RGB, for those that interpolate colours of half the
  /// resolution by more.
  private static let bounds = [("exact", 0), ("heic", 1), ("transformed", 1), ("avif", 3), ("halved", 5)]
  private static let cases = bounds.flatMap { ImageFixtures.cases($0.0) }

  @Test("every kind reads as it was coded", arguments: bounds)
  func pixels(group: String, bound: Int) throws {
    for expected in ImageFixtures.cases(group) {
      let decoded = try RGBImage.decode(path: expected.path)
      #expect((decoded.image.width, decoded.image.height) == (expected.width, expected.height), "\(expected.file)")
      let difference = zip(decoded.image.pixels, expected.image.pixels).map { abs(Int($0) - Int($1)) }.max()
      #expect(difference.map { $0 <= bound } == true, "\(expected.file): \(difference ?? -1)")
      #expect(decoded.format == (expected.file.hasSuffix(".avif") ? .avif : .heic))
      #expect(decoded.remark == nil)
      // Turns are the file's own and done; a note of a camera beside them is not for those who see the picture turned.
      #expect(try RGBImage.decode(path: expected.path, applyOrientation: true) == decoded)
      #expect(decoded.storedOrientation == .upright)
    }
  }

  @Test func allKindsAreThere() {
    #expect(Self.bounds.map { ImageFixtures.cases($0.0).count } == [1, 9, 11, 13, 2])
  }

  private func outcome(of bytes: [UInt8], pixelLimit: Int = 100_000) -> Result<DecodedImage, ImageError> {
    Result { () throws(ImageError) in try RGBImage.decode(bytes: bytes, pixelLimit: pixelLimit) }
  }

  private func failure(of bytes: [UInt8], pixelLimit: Int = RGBImage.defaultPixelLimit) throws -> ImageError {
    try #require(throws: ImageError.self) { try RGBImage.decode(bytes: bytes, pixelLimit: pixelLimit) }
  }

  /// Only an animation may end early, behind its first picture.
  @Test("a file that is cut is an error or the whole picture", arguments: cases)
  func cut(expected: ImageFixtures.Case) throws {
    let bytes = try ImageFixtures.bytes("images/" + expected.file)
    let whole = try RGBImage.decode(bytes: bytes).image
    for count in stride(from: 0, to: bytes.count, by: 7) {
      switch outcome(of: Array(bytes[..<count])) {
      case .success(let decoded):
        #expect(decoded.image == whole && expected.file == "sequence.avif", "\(count) of \(bytes.count) bytes")
      case .failure(let error):
        #expect([.corrupt, .unsupported].contains(error.rule), "\(count) of \(bytes.count) bytes: \(error)")
        #expect(!error.found.isEmpty && !error.found.contains("sequence"))
      }
    }
  }

  @Test("changed bytes never crash, and what is refused has a reason", arguments: cases)
  func changed(expected: ImageFixtures.Case) throws {
    let original = try ImageFixtures.bytes("images/" + expected.file)
    var random = SeededGenerator(seed: 3)
    for _ in 0..<50 {
      let bytes = ImageFixtures.changed(original, using: &random)
      if case .failure(let error) = outcome(of: bytes) { #expect(!error.found.isEmpty) }
    }
  }

  /// The bytes with the sides in the first `ispe` replaced.
  private func claiming(_ width: UInt32, _ height: UInt32, _ name: String) throws -> [UInt8] {
    var bytes = try ImageFixtures.bytes("images/" + name)
    let start = try #require(
      bytes.indices.dropLast(16).first { bytes[$0..<$0 + 4].elementsEqual("ispe".utf8) })
    bytes.replaceSubrange(start + 8..<start + 16, with: HandmadePNG.bigEndian(width) + HandmadePNG.bigEndian(height))
    return bytes
  }

  /// The size is judged before anything is decoded.
  @Test("sizes that are not the picture's are refused", arguments: ["color-444.avif", "grey.avif"])
  func sizes(name: String) throws {
    let large = try failure(of: claiming(30_000, 30_000, name))
    #expect(large.rule == .tooLarge && large.found == "30000 × 30000 = 900000000")
    #expect(try failure(of: claiming(44, 31, name)).rule == .corrupt)
    #expect(try failure(of: claiming(46, 31, name)).rule == .corrupt)
    #expect(try failure(of: claiming(0, 31, name)).rule == .corrupt)
    #expect(try failure(of: claiming(0, 0, name)).rule == .corrupt)
    #expect(try failure(of: claiming(.max, .max, name)).rule == .corrupt)
    #expect(try failure(of: claiming(1 << 20, 1, name)).rule != .outOfMemory)
  }

  /// A small picture that is cut out of a giant would cost what the giant costs.
  @Test func aGiantBehindACutIsRefused() throws {
    let error = try failure(of: claiming(20_000, 20_000, "cut.avif"))
    #expect(error.rule == .tooLarge && error.found == "20000 × 20000 = 400000000")
  }

  @Test(
    "the first box tells the format, whatever the ending",
    arguments: [
      ("avif", [], ImageFormat.avif), ("avis", [], .avif), ("mif1", ["avif"], .avif),
      ("mif1", ["heic", "avif"], .avif),
      ("heic", [], .heic), ("heix", [], .heic), ("hevc", [], .heic), ("msf1", ["hevc"], .heic), ("mif1", [], .heic),
      ("isom", ["heic"], .heic), ("isom", ["mp42"], nil), ("qt  ", [], nil), ("jp2 ", [], nil),
    ] as [(String, [String], ImageFormat?)])
  func brands(brand: String, others: [String], format: ImageFormat?) throws {
    let size = UInt32(16 + 4 * others.count)
    let box = HandmadePNG.bigEndian(size) + Array(("ftyp" + brand + "\0\0\0\0" + others.joined()).utf8)
    #expect(ImageFormat(magicOf: box) == format)
    // What follows the box is none of its brands.
    let alone = HandmadePNG.bigEndian(16) + box.dropFirst(4)
    #expect(ImageFormat(magicOf: alone) == ImageFormat(magicOf: Array(box.prefix(16))))
    for count in 0..<box.count { _ = ImageFormat(magicOf: Array(box.prefix(count))) }
  }

  @Test func contentDecidesNotTheEnding() throws {
    let folder = try ImageFixtures.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    for (from, to, format) in [("lossless.avif", "a.jpg", ImageFormat.avif), ("grey.heic", "b.avif", .heic)] {
      let path = folder.appending(path: to).path
      try Data(ImageFixtures.bytes("images/" + from)).write(to: URL(filePath: path))
      #expect(try RGBImage.decode(path: path).format == format)
    }
  }

  @Test func memoryIsPlannedByTheHeader() throws {
    for (name, sides) in [("color-444.avif", (45, 31)), ("grid.heic", (115, 101)), ("17x3.heic", (64, 64))] {
      let bytes = try ImageFixtures.bytes("images/" + name)
      #expect(PictureFile.pixelBytes(bytes) == 6 * sides.0 * sides.1, "\(name)")
      for count in 0..<bytes.count { #expect(PictureFile.pixelBytes(Array(bytes[..<count])) >= 0) }
    }
    let most = 6 * RGBImage.sideLimit * RGBImage.sideLimit
    #expect(try PictureFile.pixelBytes(claiming(.max, .max, "grey.avif")) == most)
  }

  @Test func aSequenceAloneIsNamed() throws {
    var frames = try ImageFixtures.bytes("images/sequence.avif")
    let still = try #require(frames.indices.dropLast(4).first { frames[$0..<$0 + 4].elementsEqual("meta".utf8) })
    frames.replaceSubrange(still..<still + 4, with: Array("free".utf8))
    let error = try failure(of: frames)
    #expect(error.found == "a sequence without a still picture" && error.rule == .unsupported, "\(error)")
  }

  @Test func endingsOfBothAreKnown() {
    #expect(ImageFormat.endings.isSuperset(of: ["avif", "heic", "heif"]))
  }
}
