import Evaluation
import ImageFiles
import LeGrad

extension Harnesses {
  static let pictures = [
    Harness(
      "png", maximumLength: 2_048, testRuns: 8_000, words: chunkNames + ["\u{0}\u{0}\u{0}\u{0}"],
      seeds: { try FixtureFiles.all("images", ".png") },
      reader: { _ in { bytes throws(Finding) in try decode(PNGChecksums.mended(bytes)) } }),
    Harness(
      "jpeg", maximumLength: 2_048, testRuns: 8_000, words: ["JFIF", "Exif\u{0}\u{0}", "Adobe"],
      seeds: { try FixtureFiles.all("images", ".jpg") }, reader: { _ in { bytes throws(Finding) in try decode(bytes) } }
    ),
    Harness(
      "webp", maximumLength: 2_048, testRuns: 4_000,
      words: ["RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "EXIF", "\u{2f}", "\u{9d}\u{1}\u{2a}"],
      seeds: { try FixtureFiles.all("images", ".webp") },
      reader: { _ in { bytes throws(Finding) in try decode(bytes) } }
    ),
    Harness(
      "tiff", maximumLength: 4_096, testRuns: 4_000,
      words: ["II*\u{0}", "MM\u{0}*", "II+\u{0}", "\u{3}\u{1}", "\u{6}\u{1}", "\u{44}\u{1}", "\u{53}\u{1}"],
      seeds: { try FixtureFiles.all("images", ".tif") }, reader: { _ in { bytes throws(Finding) in try decode(bytes) } }
    ),
    Harness(
      "bmp", maximumLength: 1_024, testRuns: 8_000, words: ["BM", "\u{0}\u{1}", "\u{0}\u{2}", "\u{28}\u{0}\u{0}\u{0}"],
      seeds: { try FixtureFiles.all("images", ".bmp") }, reader: { _ in { bytes throws(Finding) in try decode(bytes) } }
    ),
    Harness(
      "gif", maximumLength: 2_048, testRuns: 8_000, words: ["GIF87a", "GIF89a", "!\u{79}\u{4}", ",", ";", "\u{0}"],
      seeds: { try FixtureFiles.all("images", ".gif") }, reader: { _ in { bytes throws(Finding) in try decode(bytes) } }
    ),
    Harness(
      "avif", maximumLength: 2048, testRuns: 2_000, words: itemNames + ["avif", "avis", "av01", "av1C"],
      seeds: { try FixtureFiles.all("images", ".avif") },
      reader: { _ in { bytes throws(Finding) in try decodeConcealing(bytes) } }
    ),
    Harness(
      "heic", maximumLength: 4096, testRuns: 2_000, words: itemNames + ["heic", "hvc1", "hvcC"],
      seeds: { try FixtureFiles.all("images", ".heic") },
      reader: { _ in { bytes throws(Finding) in try decodeConcealing(bytes) } }
    ),
    Harness(
      "exif", maximumLength: 512, testRuns: 12_000, words: ["II*\u{0}", "MM\u{0}*", "\u{12}\u{1}", "\u{1}\u{12}"],
      seeds: {
        let little =
          [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0] as [UInt8]
        let big = [0x4D, 0x4D, 0, 0x2A, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0] as [UInt8]
        return [little, big]
      },
      reader: { _ in
        let jpeg = try FixtureFiles.bytes("images/1x17.jpg")
        let png = try FixtureFiles.bytes("images/grey1-1x17.png")
        return { note throws(Finding) in
          let length = note.count + 8
          let segment = [0xFF, 0xE1, UInt8(length >> 8), UInt8(length & 0xFF)] + Array("Exif\0\0".utf8) + note
          let first = try decode(jpeg[..<2] + segment + jpeg[2...])
          let chunk =
            [0, 0, UInt8(note.count >> 8), UInt8(note.count & 0xFF)] + Array("eXIf".utf8) + note + [0, 0, 0, 0]
          let second = try decode(PNGChecksums.mended(png[..<33] + chunk + png[33...]))
          guard let first, let second else { throw Finding("a note about a picture made the picture unreadable") }
          try require(
            first.storedOrientation == second.storedOrientation,
            "\(first.storedOrientation) in a JPEG, \(second.storedOrientation) in a PNG")
        }
      }),
    Harness(
      "masks", maximumLength: 2_048, testRuns: 600,
      words: chunkNames + jsonWords + ["\"a\": \"cat\"", Sections.mark],
      seeds: {
        let masks =
          try FixtureFiles.all("evaluation/mask-folder/masks", ".png") + FixtureFiles.all("images", "13x11.png")
        return masks.map { Sections.joined([(0, $0)]) }
          + [Sections.joined([(1, Array(#"{"a": "cat"}"#.utf8))])]
      },
      reader: { bench in
        try bench.folder("masks")
        try bench.folder("images")
        try bench.write(try FixtureFiles.bytes("images/grey8-13x11.png"), "images/a.png")
        return { bytes throws(Finding) in
          try bench.write(Array(#"{"a": "cat"}"#.utf8), "classes.json")
          for part in Sections.split(bytes, count: 2) {
            try bench.write(
              part.file == 0 ? PNGChecksums.mended(part.bytes) : part.bytes,
              part.file == 0 ? "masks/a.png" : "classes.json")
          }
          try readImages { () throws(LeGradError) in try MaskFolder(path: bench.path) }
        }
      }),
  ]

  private static let chunkNames = [
    "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "eXIf", "gAMA", "iCCP", "acTL", "zTXt", "sBIT",
  ]

  private static let itemNames = [
    "ftyp", "mif1", "meta", "pitm", "iloc", "iinf", "infe", "iref", "dimg", "auxl", "prem", "iprp", "ipco", "ipma",
    "ispe", "pixi", "colr", "nclx", "irot", "imir", "clap", "auxC", "grid", "iden", "iovl", "idat", "mdat", "moov",
  ]

  /// Damage within coded data is concealed by what was in memory: two readings need not agree.
  private static func decodeConcealing(_ bytes: [UInt8]) throws(Finding) {
    let decoded = try taken { () throws(ImageError) in try RGBImage.decode(bytes: bytes, pixelLimit: 1 << 14) }
    guard let decoded else { return }
    try require(
      decoded.image.pixels.count == 3 * decoded.image.width * decoded.image.height
        && decoded.appliedOrientation == .upright,
      "\(decoded.image.pixels.count) values for \(decoded.image.width) × \(decoded.image.height)")
  }

  @discardableResult
  private static func decode(_ bytes: [UInt8]) throws(Finding) -> DecodedImage? {
    func read(turned: Bool) throws(Finding) -> DecodedImage? {
      try taken { () throws(ImageError) in
        try RGBImage.decode(bytes: bytes, pixelLimit: 1 << 14, applyOrientation: turned)
      }
    }
    let first = try read(turned: false)
    try require(first == read(turned: false), "the second decoding gives other pixels than the first")
    let turned = try read(turned: true)
    guard let first, let turned else {
      try require(first == nil && turned == nil, "a picture is read or not by the way that it is turned")
      return nil
    }
    try require(
      turned.image.pixels.count == first.image.pixels.count
        && turned.image.pixels.count == 3 * first.image.width
          * first.image.height,
      "\(turned.image.pixels.count) values for \(first.image.width) × \(first.image.height)")
    return first
  }

  /// Opens a data set and reads its first images.
  static func readImages(_ open: () throws(LeGradError) -> some EvaluationDataset) throws(Finding) {
    guard let dataset = try taken(open) else { return }
    for index in 0..<min(3, dataset.manifest.entries.count) {
      _ = try taken { () throws(LeGradError) in try dataset.image(at: index) }
    }
  }
}

/// Checksums of PNG chunks, without which no mutation would come further than them.
enum PNGChecksums {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
  }

  /// The CRC-32 of PNG and gzip.
  static func crc(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }
  }

  /// The bytes with the checksum of every whole chunk made right.
  static func mended(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    var start = 8
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - start - 12 else { break }
      let end = start + 8 + length
      let crc = crc(bytes[start + 4..<end])
      for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * UInt32(index))) }
      start = end + 4
    }
    return bytes
  }
}
