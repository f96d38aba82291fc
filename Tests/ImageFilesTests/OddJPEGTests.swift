import Failures
import ImageFiles
import Testing

/// JPEGs against the letter of their standard: read where every pixel is there, refused where some are not.
@Suite struct OddJPEGTests {
  /// A way to write `file` that leaves its pixels as they are.
  struct Oddity: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let file: String
    let change: @Sendable ([UInt8]) throws -> [UInt8]

    init(_ name: String, of file: String, _ change: @escaping @Sendable ([UInt8]) throws -> [UInt8]) {
      (testDescription, self.file, self.change) = (name, file, change)
    }
  }

  /// Where marker `code` begins in `bytes`; the last one, for codes that come more than once.
  static func marker(_ code: UInt8, in bytes: [UInt8]) throws -> Int {
    try #require(bytes.indices.dropLast().last { bytes[$0] == 0xFF && bytes[$0 + 1] == code })
  }

  static let jfif: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 0, 16] + Array("JFIF".utf8)

  static let oddities = [
    Oddity("bytes between two segments", of: "color-420.jpg") { bytes in
      let at = try marker(0xC0, in: bytes)
      return bytes[..<at] + [0, 0x37] + bytes[at...]
    },
    Oddity("bytes before a restart marker", of: "restarts.jpg") { bytes in
      let at = try marker(0xD1, in: bytes)
      return bytes[..<at] + Array(repeating: 0x2A, count: 12) + bytes[at...]
    },
    Oddity("thousands of bytes before the end", of: "color-444.jpg") { bytes in
      bytes.dropLast(2) + Array(repeating: 0, count: 5000) + bytes.suffix(2)
    },
    Oddity("stuffed bytes before the end", of: "progressive.jpg") { bytes in
      bytes.dropLast(2) + Array(repeatElement([0xFF, 0], count: 10).joined()) + bytes.suffix(2)
    },
    Oddity("version 2.1 of JFIF", of: "grey.jpg") { bytes in
      try #require(Array(bytes.prefix(10)) == jfif)
      return bytes[..<11] + [2, 1] + bytes[13...]
    },
    Oddity("a colour transform that Adobe has not defined", of: "color-422.jpg") { bytes in
      try #require(Array(bytes.prefix(10)) == jfif)
      let adobe: [UInt8] = [0xFF, 0xEE, 0, 14] + Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, 7]
      return bytes[..<2] + adobe + bytes[20...]
    },
    Oddity("a baseline scan without its last coefficient's number", of: "color-420.jpg") { bytes in
      let at = try marker(0xDA, in: bytes)
      try #require(Array(bytes[(at + 11)...(at + 13)]) == [0, 63, 0])
      return bytes[..<(at + 12)] + [0] + bytes[(at + 13)...]
    },
  ]

  @Test("pixels are those of the file without the oddity, which is remarked", arguments: oddities)
  func read(oddity: Oddity) throws {
    let bytes = try ImageFixtures.bytes("images/" + oddity.file)
    let intact = try RGBImage.decode(bytes: bytes)
    let odd = try RGBImage.decode(bytes: oddity.change(bytes))
    #expect(intact.remark == nil)
    #expect(odd.remark?.isEmpty == false)
    #expect(odd.image == intact.image)
  }

  private func error(of bytes: [UInt8]) -> ImageError? {
    do throws(ImageError) {
      _ = try RGBImage.decode(bytes: bytes)
      return nil
    } catch {
      return error
    }
  }

  @Test("an interval between restart markers that is missing is an error")
  func missingInterval() throws {
    let bytes = try ImageFixtures.bytes("images/restarts.jpg")
    let (first, second) = (try Self.marker(0xD0, in: bytes), try Self.marker(0xD1, in: bytes))
    #expect(error(of: Array(bytes[..<first] + bytes[second...]))?.rule == .corrupt)
    var renumbered = bytes
    renumbered[first + 1] = 0xD5
    #expect(error(of: renumbered)?.rule == .corrupt)
  }

  @Test("kinds that libjpeg cannot read are called unsupported, not damaged")
  func otherKinds() throws {
    let bytes = try ImageFixtures.bytes("images/color-444.jpg")
    let frame = try Self.marker(0xC0, in: bytes)
    let kinds: [(String, offset: Int, value: UInt8)] = [
      ("lossless", 1, 0xC3), ("hierarchical", 1, 0xC5), ("12 bits", 4, 12),
    ]
    for (name, offset, value) in kinds {
      var other = bytes
      other[frame + offset] = value
      #expect(error(of: other)?.rule == .unsupported, "\(name)")
    }
  }

  /// A grey picture of 8 × 8 pixels whose only coefficient is sent `count` times.
  static func scans(_ count: Int) -> [UInt8] {
    let table: [UInt8] = [0xFF, 0xDB, 0, 67, 0] + Array(repeating: 1, count: 64)
    let frame: [UInt8] = [0xFF, 0xC2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]
    let codes: [UInt8] = [0xFF, 0xC4, 0, 20, 0, 1] + Array(repeating: 0, count: 15) + [0]
    let scan: [UInt8] = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0x7F]
    return [0xFF, 0xD8] + table + frame + codes + Array(repeatElement(scan, count: count).joined()) + [0xFF, 0xD9]
  }

  @Test("the number of scans is limited, since each takes the time of a picture")
  func manyScans() throws {
    let most = try RGBImage.decode(bytes: Self.scans(500))
    #expect(most.image.pixels.allSatisfy { $0 == 128 })
    #expect(most.remark == nil)
    let found = error(of: Self.scans(501))
    #expect(found?.rule == .corrupt)
    #expect(found?.found == "more than 500 scans")
  }
}
