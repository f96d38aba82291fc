import ImageFiles
import Testing

/// EXIF notes put together by hand in front of a real JPEG, and in a real PNG.
@Suite struct ExifTests {
  /// One directory entry that says orientation 6, in either byte order.
  private func tiff(littleEndian: Bool, type: UInt8 = 3, count: UInt8 = 1, value: UInt8 = 6) -> [UInt8] {
    littleEndian
      ? [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, type, 0, count, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0]
      : [0x4D, 0x4D, 0, 0x2A, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, type, 0, 0, 0, count]
        + (type == 4 ? [0, 0, 0, value] : [0, value, 0, 0]) + [0, 0, 0, 0]
  }

  private func orientation(segment: [UInt8]) throws -> ExifOrientation {
    let jpeg = try ImageFixtures.bytes("images/grey.jpg")
    let bytes = Array(jpeg[..<2]) + segment + jpeg[2...]
    return try RGBImage.decode(bytes: bytes).storedOrientation
  }

  private func app1(_ tiff: [UInt8]) -> [UInt8] {
    let content = Array("Exif".utf8) + [0, 0] + tiff
    return [0xFF, 0xE1, UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 255)] + content
  }

  @Test("both byte orders and both integer types are read", arguments: [true, false], [3, 4] as [UInt8])
  func orders(littleEndian: Bool, type: UInt8) throws {
    #expect(try orientation(segment: app1(tiff(littleEndian: littleEndian, type: type))) == .turnClockwise)
  }

  @Test("another APP1 segment before it is passed over")
  func second() throws {
    let other: [UInt8] = [0xFF, 0xE1, 0, 6] + Array("http".utf8)
    #expect(try orientation(segment: other + app1(tiff(littleEndian: true))) == .turnClockwise)
  }

  @Test("a note with values out of range reads as upright", arguments: [0, 9, 255] as [UInt8])
  func outOfRange(value: UInt8) throws {
    #expect(try orientation(segment: app1(tiff(littleEndian: true, value: value))) == .upright)
  }

  @Test("a wrong type, count, order mark or offset reads as upright")
  func malformed() throws {
    #expect(try orientation(segment: app1(tiff(littleEndian: true, type: 2))) == .upright)
    #expect(try orientation(segment: app1(tiff(littleEndian: true, count: 2))) == .upright)
    #expect(try orientation(segment: app1([0x49, 0x4D] + tiff(littleEndian: true).dropFirst(2))) == .upright)
    for offset in [7, 26, 200, 0xFF] as [UInt8] {
      var note = tiff(littleEndian: true)
      note.replaceSubrange(4..<8, with: offset == 0xFF ? [255, 255, 255, 255] : [offset, 0, 0, 0])
      #expect(try orientation(segment: app1(note)) == .upright)
    }
    for length in 0..<20 {
      #expect(try orientation(segment: app1(Array(tiff(littleEndian: false).prefix(length)))) == .upright, "\(length)")
    }
  }

  /// A PNG's note in front of the pixels, and behind them.
  @Test("a PNG is turned by its note, wherever that lies", arguments: [true, false], [1, 3, 6, 8] as [UInt8])
  func png(isFirst: Bool, value: UInt8) throws {
    let png = try ImageFixtures.bytes("images/grey1-3x2.png")
    let chunk = HandmadePNG.chunk("eXIf", tiff(littleEndian: isFirst, value: value))
    let place = isFirst ? 33 : png.count - 12
    let noted = Array(png[..<place]) + chunk + png[place...]
    let plain = try RGBImage.decode(bytes: noted)
    let orientation = try #require(ExifOrientation(rawValue: Int(value)))
    #expect(plain.storedOrientation == orientation && plain.appliedOrientation == .upright)
    #expect(plain.image == (try RGBImage.decode(bytes: png).image))
    let turned = try RGBImage.decode(bytes: noted, applyOrientation: true)
    #expect(turned.appliedOrientation == orientation && turned.image == plain.image.applying(orientation))
  }

  @Test("a broken note in a PNG reads as upright")
  func brokenPNG() throws {
    let png = try ImageFixtures.bytes("images/grey1-3x2.png")
    for note in [[], [0x49], Array(tiff(littleEndian: true).prefix(12)), tiff(littleEndian: true, value: 9)] {
      let bytes = Array(png[..<33]) + HandmadePNG.chunk("eXIf", note) + png[33...]
      #expect(try RGBImage.decode(bytes: bytes).storedOrientation == .upright)
    }
  }
}
