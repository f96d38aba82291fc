import Failures
import ImageFiles
import Randomness
import Testing

/// WebP, TIFF, BMP and GIF: what Pillow reads of each kind, and what is made of damage.
@Suite struct FormatTests {
  private static let formats: [(group: String, format: ImageFormat, count: Int)] = [
    ("webp", .webp, 9), ("tiff", .tiff, 47), ("bmp", .bmp, 20), ("gif", .gif, 11),
  ]

  private static let cases = formats.flatMap { ImageFixtures.cases($0.group) }

  @Test("every kind reads as Pillow reads it", arguments: formats)
  func pixels(group: String, format: ImageFormat, count: Int) throws {
    let cases = ImageFixtures.cases(group)
    #expect(cases.count == count)
    for expected in cases {
      let decoded = try RGBImage.decode(path: expected.path)
      #expect(decoded.image == expected.image, "\(expected.file)")
      #expect(decoded.format == format)
      #expect(decoded.remark == nil)
    }
  }

  /// A TIFF is turned whether that is asked or not, as Pillow does.
  @Test("orientations turn as in Pillow", arguments: ImageFixtures.cases("turned"))
  func orientation(expected: ImageFixtures.Case) throws {
    let turned = try RGBImage.decode(path: expected.path, applyOrientation: true)
    #expect(turned.image == expected.image)
    let number = try #require(expected.file.split { "-.".contains($0) }.dropFirst().first)
    #expect("\(turned.storedOrientation.rawValue)" == number)
    let plain = try RGBImage.decode(path: expected.path)
    if plain.format == .tiff {
      #expect(plain == turned)
    } else {
      #expect(plain.appliedOrientation == .upright && plain.image.applying(plain.storedOrientation) == turned.image)
    }
  }

  private func outcome(of bytes: [UInt8], pixelLimit: Int = 100_000) -> Result<DecodedImage, ImageError> {
    Result { () throws(ImageError) in try RGBImage.decode(bytes: bytes, pixelLimit: pixelLimit) }
  }

  /// No half pictures: where what is missing is behind the pixels, they are whole.
  @Test("a file that is cut is an error or the whole picture", arguments: cases)
  func cut(expected: ImageFixtures.Case) throws {
    let bytes = try ImageFixtures.bytes("images/" + expected.file)
    for count in 0..<bytes.count {
      switch outcome(of: Array(bytes[..<count])) {
      case .success(let decoded): #expect(decoded.image == expected.image, "\(count) of \(bytes.count) bytes")
      case .failure(let error):
        #expect([.corrupt, .unsupported].contains(error.rule), "\(count) of \(bytes.count) bytes: \(error)")
      }
    }
  }

  @Test("changed bytes never crash, and what is read is read again", arguments: cases)
  func changed(expected: ImageFixtures.Case) throws {
    let original = try ImageFixtures.bytes("images/" + expected.file)
    var random = SeededGenerator(seed: 3)
    for _ in 0..<100 {
      let bytes = ImageFixtures.changed(original, using: &random)
      let first = outcome(of: bytes)
      #expect(first == outcome(of: bytes))
      if case .failure(let error) = first { #expect(!error.found.isEmpty) }
    }
  }

  /// The size is judged before memory is taken for it.
  @Test("giant sizes are refused by the header alone")
  func giant() throws {
    func replacing(_ name: String, _ place: Int, _ new: [UInt8]) throws -> [UInt8] {
      var bytes = try ImageFixtures.bytes("images/" + name)
      bytes.replaceSubrange(place..<place + new.count, with: new)
      return bytes
    }
    func rule(_ bytes: [UInt8]) -> ImageRule? {
      if case .failure(let error) = outcome(of: bytes, pixelLimit: RGBImage.defaultPixelLimit) { return error.rule }
      return nil
    }
    #expect(rule(try replacing("palette5.gif", 6, [0xFF, 0xFF, 0xFF, 0xFF])) == .tooLarge)
    #expect(rule(try replacing("bmp8-runs.bmp", 18, [0, 0, 1, 0, 0, 0, 1, 0])) == .tooLarge)
    #expect(rule(try replacing("bmp8-runs.bmp", 18, [0xFF, 0xFF, 0xFF, 0x7F])) == .tooLarge)
    #expect(rule(try replacing("bmp24.bmp", 18, [0, 0, 1, 0, 0, 0, 1, 0])) == .corrupt)
    // Rows from the top, 2³¹ of them, of bytes that exceed 2⁶³ together.
    #expect(rule(try replacing("bmp24.bmp", 18, [0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0x80])) == .corrupt)
    // A VP8L header: 14 bits for each side less one.
    let webp = try ImageFixtures.bytes("images/lossless.webp")
    let start = try #require(webp.indices.dropLast(4).first { webp[$0..<$0 + 4].elementsEqual("VP8L".utf8) })
    #expect(rule(try replacing("lossless.webp", start + 9, [0xFF, 0xFF, 0xFF, webp[start + 12] | 0x0F])) == .tooLarge)
    // A TIFF's first two entries are its sides.
    let tiff = try ImageFixtures.bytes("images/rgb-lzw.tif")
    let directory = tiff[4..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    for (entry, tag) in [(0, 0x00), (1, 0x01)] as [(Int, UInt8)] { #expect(tiff[directory + 2 + 12 * entry] == tag) }
    var large = tiff
    for entry in 0..<2 {
      let place = directory + 2 + 12 * entry
      large.replaceSubrange(place + 2..<place + 12, with: [4, 0, 1, 0, 0, 0, 0, 0, 1, 0])
    }
    #expect(rule(large) == .tooLarge)
  }

  @Test("kinds that are not read are named")
  func unsupported() throws {
    var bytes = try ImageFixtures.bytes("images/bmp24.bmp")
    bytes[28] = 2
    guard case .failure(let depth) = outcome(of: bytes) else { throw Missing() }
    #expect(depth.rule == .unsupported && depth.found == "2 bits a pixel")
    bytes = try ImageFixtures.bytes("images/planes.tif")
    let directory = bytes[4..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let compression = try #require(
      (0..<12).map { directory + 2 + 12 * $0 }.first { bytes[$0] == 0x03 && bytes[$0 + 1] == 0x01 })
    bytes[compression + 8] = 6
    guard case .failure(let old) = outcome(of: bytes) else { throw Missing() }
    #expect(old.rule == .unsupported && old.found == "compression 6", "\(old)")
  }

  private struct Missing: Error {}
}
