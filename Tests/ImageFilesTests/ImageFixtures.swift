import FoundationEssentials
import ImageFiles
import Testing

/// Pictures and answers in Tests/Fixtures.
enum ImageFixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")

  /// What Pillow reads from, or makes of, one picture of Fixtures/images.
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let group: String
    let file: String
    let filter: String?
    let width: Int
    let height: Int
    let rgb: Data

    var image: RGBImage { RGBImage(width: width, height: height, pixels: Array(rgb)) }
    var path: String { ImageFixtures.path("images/" + file) }
    var testDescription: String { [file, filter ?? "", "\(width)x\(height)"].joined(separator: " ") }
  }

  static let cases: [Case] = {
    do {
      return try ["cases", "formats", "heif"].flatMap { name in
        try JSONDecoder().decode([Case].self, from: Data(contentsOf: URL(filePath: path("images/\(name).json"))))
      }
    } catch {
      Issue.record("images: \(error)")
      return []
    }
  }()

  static func cases(_ group: String) -> [Case] {
    cases.filter { $0.group == group }
  }

  static func path(_ name: String) -> String {
    root.appending(path: name).path
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(filePath: path(name))))
  }

  /// The bytes with one to four of them replaced.
  static func changed(_ original: [UInt8], using random: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    return bytes
  }

  /// How many bytes of a PNG are before what may be missing: up to the end of its last IDAT.
  static func endOfPixels(_ bytes: [UInt8]) -> Int {
    var (position, end) = (8, 8)
    while position + 8 <= bytes.count {
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      if Array(bytes[position + 4..<position + 8]) == Array("IDAT".utf8) { end = position + 12 + length }
      position += 12 + length
    }
    return end
  }

  /// A folder for one test, empty.
  static func temporaryFolder() throws -> URL {
    let name = "legrad-images-\(UInt64.random(in: 0...(.max)))"
    let folder = FileManager.default.temporaryDirectory.appending(path: name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return folder
  }
}

/// The shape and values of a version 1 .npy file of unsigned bytes in C order.
struct NpyBytes {
  let shape: [Int]
  let values: [UInt8]

  init(path: String) throws {
    let bytes = try Array(Data(contentsOf: URL(filePath: path)))
    try #require(bytes.count > 10 && bytes.starts(with: [0x93] + Array("NUMPY".utf8) + [1]))
    let end = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    try #require(end <= bytes.count)
    let header = String(decoding: bytes[10..<end], as: UTF8.self)
    try #require(header.contains("'|u1'") && header.contains("'fortran_order': False"))
    let sizes = header.split(separator: "(")[1].split(separator: ")")[0]
    shape = sizes.split(whereSeparator: { ", ".contains($0) }).compactMap { Int($0) }
    values = Array(bytes[end...])
    try #require(values.count == shape.reduce(1, *))
  }
}

/// PNG files put together by hand, to say what no encoder would.
enum HandmadePNG {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  /// A chunk with its length and a right checksum.
  static func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(kind.utf8) + data
    return bigEndian(UInt32(data.count)) + body + bigEndian(checksum(body))
  }

  static func header(width: UInt32, height: UInt32, depth: UInt8 = 8, type: UInt8 = 2) -> [UInt8] {
    chunk("IHDR", bigEndian(width) + bigEndian(height) + [depth, type, 0, 0, 0])
  }

  /// `data` replaces the first 13 bytes' header of a whole PNG, checksum included.
  static func replacingHeader(of png: [UInt8], width: UInt32, height: UInt32) -> [UInt8] {
    signature + header(width: width, height: height, depth: png[24], type: png[25]) + png[33...]
  }

  /// CRC-32 with PNG's polynomial.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 {
        sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1
      }
    }
    return ~sum
  }
}
