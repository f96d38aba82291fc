import Failures
import Files
import FoundationEssentials
import ImageFiles
import Randomness
import Testing

@Suite struct DecodingTests {
  @Test("every PNG colour type, depth, interlacing and transparency reads as Pillow reads it")
  func png() throws {
    let cases = ImageFixtures.cases("png")
    #expect(cases.count == 53)
    for expected in cases {
      let decoded = try RGBImage.decode(path: expected.path)
      #expect(decoded.image == expected.image, "\(expected.file)")
      #expect(decoded.format == .png)
    }
  }

  @Test("JPEGs of every sampling and colour space read as Pillow reads them", arguments: ImageFixtures.cases("jpeg"))
  func jpeg(expected: ImageFixtures.Case) throws {
    let decoded = try RGBImage.decode(path: expected.path)
    #expect(decoded.image == expected.image)
    #expect(decoded.format == .jpeg)
  }

  @Test("the stored orientation is reported, and applied only on request", arguments: 1...8)
  func orientation(value: Int) throws {
    let expected = try #require(ImageFixtures.cases("orientation").first { $0.file == "orientation-\(value).jpg" })
    let orientation = try #require(ExifOrientation(rawValue: value))
    let turned = try RGBImage.decode(path: expected.path, applyOrientation: true)
    #expect(turned.image == expected.image)
    #expect(turned.storedOrientation == orientation)
    #expect(turned.appliedOrientation == orientation)
    let plain = try RGBImage.decode(path: expected.path)
    #expect(plain.image.width == 11 && plain.image.height == 6)
    #expect(plain.storedOrientation == orientation)
    #expect(plain.appliedOrientation == .upright)
    #expect(plain.image.applying(orientation) == expected.image)
  }

  @Test("encoded PNGs read back the same", arguments: [(1, 1), (7, 5), (1, 31), (31, 1), (64, 33)])
  func roundTrip(width: Int, height: Int) throws {
    var random = SeededGenerator(seed: UInt64(width * 100 + height))
    let bytes = (0..<(width * height * 4)).map { _ in UInt8.random(in: 0...255, using: &random) }
    let rgb = RGBImage(width: width, height: height, pixels: Array(bytes.prefix(width * height * 3)))
    #expect(try RGBImage.decode(bytes: rgb.pngBytes()).image == rgb)
    let rgba = try PNGEncoder.encode(pixels: bytes, width: width, height: height, channels: .rgba)
    let withoutAlpha = bytes.indices.filter { $0 % 4 != 3 }.map { bytes[$0] }
    #expect(try RGBImage.decode(bytes: rgba).image.pixels == withoutAlpha)
    #expect(rgba[25] == 6)
    let grey = Array(bytes.prefix(width * height))
    let encodedGrey = try PNGEncoder.encode(pixels: grey, width: width, height: height, channels: .grey)
    #expect(try RGBImage.decode(bytes: encodedGrey).image.pixels == grey.flatMap { [$0, $0, $0] })
    #expect(encodedGrey[25] == 0)
  }

  @Test(
    "other formats are named",
    arguments: [
      ("BM\0\0\0\0", "a BMP without a known header"), ("\0\0\0\u{20}ftypmp42", "a video"),
      ("\0\0\0\u{18}ftypcrx \0\0\0\u{1}crx isom", "a camera's raw file"), ("\0\0\0\u{C}JXL ", "JPEG XL"),
      ("8BPS\0\u{1}", "Photoshop"), ("P6\n", "PPM"),
      ("<?xml version=\"1.0\"?><svg", "SVG"),
      ("abc", "a file that starts with the bytes 61 62 63"),
    ])
  func otherFormat(text: String, name: String) throws {
    let error = #expect(throws: ImageError.self) {
      try RGBImage.decode(bytes: Array(text.utf8), name: "some.png")
    }
    #expect(error?.rule == .unsupported)
    #expect(
      error?.description
        == "some.png: the picture's format is not supported: expected PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC, "
        + "found \(name); convert it to PNG or JPEG"
    )
  }

  /// Converting does not make a picture of what is none.
  @Test(
    "what lies in a picture's place is named",
    arguments: [
      ("", "an empty file", "copy or fetch the picture itself again"),
      ("<!DOCTYPE html><title>Sign in</title>", "a web page", "copy or fetch the picture itself again"),
      ("Entry not found", "the text \"Entry not found\"", "copy or fetch the picture itself again"),
      ("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    ])
  func leftover(text: String, found: String, remedy: String) throws {
    let error = try #require(
      throws: ImageError.self
    ) { try RGBImage.decode(bytes: Array(text.utf8), name: "some.png") }
    #expect(error.rule == .unsupported)
    #expect(error.description.contains("found " + found))
    #expect(error.description.split(separator: "; ").last?.contains(remedy) == true)
  }

  @Test("a JPEG called .png is read as what it is")
  func misnamed() throws {
    let folder = try ImageFixtures.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "picture.png").path
    try AtomicFile.write(ImageFixtures.bytes("images/grey.jpg"), to: path)
    #expect(try RGBImage.decode(path: path).format == .jpeg)
  }

  @Test("missing files, folders and files over the limit are errors that name the path")
  func unreadable() throws {
    let missing = #expect(throws: ImageError.self) { try RGBImage.decode(path: "/nonexistent/a.png") }
    #expect(missing?.rule == .unreadable)
    #expect(missing?.description.hasPrefix("/nonexistent/a.png: ") == true)
    let folder = #expect(throws: ImageError.self) { try RGBImage.decode(path: ImageFixtures.path("images")) }
    #expect(folder?.rule == .unreadable)
    let path = ImageFixtures.path("images/grey.jpg")
    let size = try ImageFixtures.bytes("images/grey.jpg").count
    let tooLong = #expect(throws: ImageError.self) { try RGBImage.decode(path: path, fileSizeLimit: size - 1) }
    #expect(tooLong?.rule == .tooLarge)
    #expect(throws: Never.self) { try RGBImage.decode(path: path, fileSizeLimit: size) }
  }
}
