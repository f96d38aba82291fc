import Failures
import ImageFiles
import Randomness
import Testing

/// Damaged and lying files: each gives an error, never a crash or half a picture.
@Suite struct MalformedImageTests {
  static let samples = [
    "rgb8-13x11.png", "rgba16-13x11-interlaced.png", "palette4-transparent-7x5.png", "grey1-1x1.png", "color-420.jpg",
    "progressive.jpg", "cmyk.jpg", "orientation-6.jpg", "1x1.jpg",
  ]

  private func error(of bytes: [UInt8], pixelLimit: Int = RGBImage.defaultPixelLimit) -> ImageError? {
    do throws(ImageError) {
      _ = try RGBImage.decode(bytes: bytes, pixelLimit: pixelLimit, applyOrientation: true)
      return nil
    } catch {
      return error
    }
  }

  @Test("every shorter prefix of a file is an error", arguments: samples)
  func truncated(name: String) throws {
    let bytes = try ImageFixtures.bytes("images/" + name)
    let end = name.hasSuffix("png") ? ImageFixtures.endOfPixels(bytes) : bytes.count
    for count in 0..<end {
      let kind = error(of: Array(bytes[..<count]))?.rule
      #expect(kind == (count < (name.hasSuffix("png") ? 8 : 3) ? .unsupported : .corrupt), "\(count) bytes")
    }
    #expect(error(of: bytes) == nil)
  }

  @Test("what a PNG has behind its last IDAT may be missing", arguments: samples.filter { $0.hasSuffix("png") })
  func withoutItsEnd(name: String) throws {
    let bytes = try ImageFixtures.bytes("images/" + name)
    let whole = try RGBImage.decode(bytes: bytes).image
    for count in ImageFixtures.endOfPixels(bytes)..<bytes.count {
      #expect(try RGBImage.decode(bytes: Array(bytes[..<count])).image == whole, "\(count) bytes")
    }
  }

  @Test("a wrong checksum in any chunk is an error")
  func wrongChecksum() throws {
    let bytes = try ImageFixtures.bytes("images/palette4-transparent-7x5.png")
    var position = 8
    var chunks = 0
    while position < bytes.count {
      let length = bytes[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      position += 12 + length
      var damaged = bytes
      damaged[position - 1] ^= 1
      #expect(error(of: damaged)?.rule == .corrupt, "chunk ending at \(position)")
      chunks += 1
    }
    #expect(chunks == 7)
  }

  @Test(
    "a header that promises another size is an error",
    arguments: [
      (14, 11), (13, 12), (12, 11), (1300, 1100), (0, 11), (13, 0), (0x8000_0000, 1), (0xFFFF_FFFF, 0xFFFF_FFFF),
    ] as [(UInt32, UInt32)])
  func lyingHeader(width: UInt32, height: UInt32) throws {
    let png = try ImageFixtures.bytes("images/rgb8-13x11.png")
    #expect(error(of: HandmadePNG.replacingHeader(of: png, width: width, height: height)) != nil)
  }

  @Test(
    "huge sizes are refused by the header alone",
    arguments: [
      (13_378, 13_378), (1_000_000, 179), (1_000_001, 1), (1, 0x7FFF_FFFF), (0x7FFF_FFFF, 0x7FFF_FFFF),
    ] as [(UInt32, UInt32)])
  func hugePNG(width: UInt32, height: UInt32) {
    let padding = HandmadePNG.chunk("IDAT", Array(repeating: 0, count: 600_000))
    let bytes = HandmadePNG.signature + HandmadePNG.header(width: width, height: height) + padding
    let found = error(of: bytes)
    if UInt64(width) * UInt64(height) / 1032 * 3 > bytes.count {
      #expect(found?.rule == .corrupt)
      #expect(found?.found == "the file is too short to hold as many pixels as its header says")
    } else {
      #expect(found?.rule == .tooLarge)
    }
  }

  @Test("the pixel limit is inclusive, for both formats")
  func pixelLimit() throws {
    for (name, pixels) in [("rgb8-13x11.png", 143), ("grey.jpg", 45 * 31)] {
      let bytes = try ImageFixtures.bytes("images/" + name)
      #expect(error(of: bytes, pixelLimit: pixels) == nil)
      let found = error(of: bytes, pixelLimit: pixels - 1)
      #expect(found?.rule == .tooLarge)
      #expect(found?.expected == "at most \(pixels - 1)")
    }
  }

  @Test("a JPEG that says it has 65500 × 65500 pixels is refused")
  func hugeJPEG() throws {
    var bytes = try ImageFixtures.bytes("images/color-444.jpg")
    let frame = try #require(bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
    for (offset, byte) in [(5, 0xFF), (6, 0xDC), (7, 0xFF), (8, 0xDC)] as [(Int, UInt8)] {
      bytes[frame + offset] = byte
    }
    #expect(error(of: bytes)?.rule == .tooLarge)
    bytes[frame + 5] = 0
    bytes[frame + 6] = 0
    #expect(error(of: bytes)?.rule == .corrupt)
  }

  @Test("random bytes behind a right signature never crash")
  func randomBytes() throws {
    var random = SeededGenerator(seed: 1)
    for round in 0..<400 {
      let count = Int.random(in: 0...300, using: &random)
      let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      let start: [UInt8] =
        switch round % 3 {
        case 0: HandmadePNG.signature
        case 1: HandmadePNG.signature + HandmadePNG.header(width: 9, height: 9, depth: 8, type: UInt8(round % 7))
        default: [0xFF, 0xD8, 0xFF]
        }
      #expect(error(of: start + noise, pixelLimit: 100_000) != nil)
    }
  }

  @Test("bytes changed at random never crash, and what is read has its full size", arguments: samples)
  func mutated(name: String) throws {
    let original = try ImageFixtures.bytes("images/" + name)
    var random = SeededGenerator(seed: 2)
    for _ in 0..<200 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      do throws(ImageError) {
        let image = try RGBImage.decode(bytes: bytes, pixelLimit: 100_000, applyOrientation: true).image
        #expect(image.pixels.count == image.width * image.height * 3)
      } catch {
        #expect(!error.found.isEmpty)
      }
    }
  }

  @Test("a palette index past the palette is an error")
  func paletteIndex() {
    // One stored deflate block: filter 0, then index 3 of a palette with two colours.
    let compressed: [UInt8] = [0x78, 0x01, 0x01, 2, 0, 0xFD, 0xFF, 0, 3, 0x00, 0x05, 0x00, 0x04]
    let bytes =
      HandmadePNG.signature + HandmadePNG.header(width: 1, height: 1, type: 3)
      + HandmadePNG.chunk("PLTE", [1, 2, 3, 4, 5, 6]) + HandmadePNG.chunk("IDAT", compressed)
      + HandmadePNG.chunk("IEND", [])
    #expect(error(of: bytes)?.rule == .corrupt)
  }
}
