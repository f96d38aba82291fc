/// What the first box of an AVIF or HEIC says of the file (ISO/IEC 14496-12, `ftyp`; 23008-12, annex B).
struct HEIFBrands {
  /// Whether the pictures are in AV1; else they are in HEVC, as far as the brands tell.
  let isAV1: Bool

  private static let av1 = ["avif", "avis"]
  private static let hevc = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]
  /// Pictures and sequences, in whatever they are coded.
  private static let any = ["mif1", "mif2", "msf1"]

  /// - Returns: nil for bytes that begin otherwise, or with brands of other kinds alone.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
    let size = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
    // The brand, its version, and what else the file may be read as.
    let places = [8] + Array(stride(from: 16, to: min(size, bytes.count, ImageFormat.magicSize) - 3, by: 4))
    func names(_ brands: [String]) -> Bool {
      places.contains { place in brands.contains { bytes[place..<place + 4].elementsEqual($0.utf8) } }
    }
    guard names(Self.av1) || names(Self.hevc) || names(Self.any) else { return nil }
    isAV1 = names(Self.av1)
  }
}

/// The sizes that an AVIF or HEIC notes of its pictures, parts and thumbnails among them (ISO/IEC 23008-12, `ispe`). They
/// are looked for by name, which is enough to plan memory by.
struct HEIFSizes: Sequence, IteratorProtocol {
  struct Size {
    let width, height: Int
    /// As far as pictures go; sides are numbers of 32 bits.
    var pixels: Int { width.multipliedReportingOverflow(by: height).overflow ? .max : width * height }
  }

  private let meta: ArraySlice<UInt8>
  private var place: Int
  private static let mark = Array("ispe\0\0\0\0".utf8)

  init(_ bytes: [UInt8]) {
    meta = Self.meta(of: bytes)
    place = meta.startIndex
  }

  mutating func next() -> Size? {
    while place + 16 <= meta.endIndex {
      let start = place
      place += 1
      // The name, version and flags, both sides.
      if meta[start] == Self.mark[0], meta[start..<start + 8].elementsEqual(Self.mark) {
        return Size(
          width: Self.number(meta[start + 8..<start + 12]), height: Self.number(meta[start + 12..<start + 16]))
      }
    }
    return nil
  }

  /// The box of what is said of the pictures, which may be behind them; empty where there is none.
  private static func meta(of bytes: [UInt8]) -> ArraySlice<UInt8> {
    var place = 0
    while place + 8 <= bytes.count {
      let rest = bytes.count - place
      var size = number(bytes[place..<place + 4])
      // In 64 bits behind the name, or all that is left.
      if size == 1, rest >= 16 { size = number(bytes[place + 8..<place + 16]) }
      if size == 0 { size = rest }
      guard size >= 8 else { break }
      if bytes[place + 4..<place + 8].elementsEqual("meta".utf8) { return bytes[place...].prefix(size) }
      guard size <= rest else { break }
      place += size
    }
    return []
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
    Int(clamping: bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }
}
