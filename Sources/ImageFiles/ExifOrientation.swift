/// How a camera says its picture is to be turned (tag 0x0112 of EXIF). The raw value is the one in the file; the case
/// says what to do with the stored pixels to see the picture upright.
public enum ExifOrientation: Int, Sendable, CaseIterable {
  case upright = 1
  case flipHorizontally = 2
  case turnHalf = 3
  case flipVertically = 4
  case transpose = 5
  case turnClockwise = 6
  case transverse = 7
  case turnCounterclockwise = 8

  /// The orientation that a picture's file notes; nil for one that notes none.
  package init?(notedIn bytes: [UInt8]) {
    switch ImageFormat(magicOf: bytes) {
    case .jpeg: self.init(jpeg: bytes)
    case .png: self.init(png: bytes)
    case .webp: self.init(webp: bytes)
    case .tiff: self.init(note: bytes[...])
    case .bmp, .gif, nil: return nil
    }
  }

  /// Reads the orientation from a WebP's `EXIF` chunk, which lies behind the pixels. As for JPEG, a broken note reads as
  /// nil.
  init?(webp bytes: [UInt8]) {
    var position = 12
    while position + 8 <= bytes.count {
      let length = bytes[position + 4..<position + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
      let start = position + 8
      guard length <= bytes.count - start else { return nil }
      if bytes[position..<position + 4].elementsEqual("EXIF".utf8) {
        let content = bytes[start..<start + length]
        // Some writers put JPEG's mark before it.
        self.init(note: content.starts(with: Self.jpegMark) ? content.dropFirst(Self.jpegMark.count) : content)
        return
      }
      position = start + length + length % 2
    }
    return nil
  }

  /// Reads the orientation from a TIFF structure.
  private init?(note: ArraySlice<UInt8>) {
    guard let value = Self.orientation(inTIFF: note) else { return nil }
    self.init(rawValue: value)
  }

  private static let jpegMark: [UInt8] = [0x45, 0x78, 0x69, 0x66, 0, 0]

  /// Reads the orientation from a JPEG's first EXIF segment. Anything missing or malformed reads as nil: a broken note
  /// about the picture is no reason to refuse the picture.
  init?(jpeg bytes: [UInt8]) {
    guard let tiff = Self.exifSegment(of: bytes) else { return nil }
    self.init(note: tiff)
  }

  /// Reads the orientation from a PNG's `eXIf` chunk (PNG, third edition, "eXIf"), which may lie behind the pixels. As
  /// for JPEG, a broken note reads as nil.
  init?(png bytes: [UInt8]) {
    var position = 8
    while position + 12 <= bytes.count {
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      let start = position + 8
      guard length <= bytes.count - start - 4 else { return nil }
      if bytes[position + 4..<start].elementsEqual("eXIf".utf8) {
        self.init(note: bytes[start..<start + length])
        return
      }
      position = start + length + 4
    }
    return nil
  }

  /// The TIFF structure inside the first APP1 segment that is EXIF.
  private static func exifSegment(of bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var position = 2
    while position + 4 <= bytes.count {
      guard bytes[position] == 0xFF else { return nil }
      let marker = bytes[position + 1]
      if marker == 0xFF {
        position += 1
        continue
      }
      let isStandalone = marker == 0x01 || (0xD0...0xD8).contains(marker)
      if isStandalone {
        position += 2
        continue
      }
      let isPastHeaders = marker == 0xDA || marker == 0xD9
      if isPastHeaders {
        return nil
      }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      let end = position + 2 + length
      guard length >= 2, end <= bytes.count else { return nil }
      let content = bytes[(position + 4)..<end]
      if marker == 0xE1, content.starts(with: jpegMark) {
        return content.dropFirst(jpegMark.count)
      }
      position = end
    }
    return nil
  }

  private static func orientation(inTIFF tiff: ArraySlice<UInt8>) -> Int? {
    let isLittleEndian: Bool
    // BigTIFF has 43 in place of 42, and 8 bytes for offsets and counts.
    let isBig: Bool
    switch Array(tiff.prefix(4)) {
    case [0x49, 0x49, 0x2A, 0]: (isLittleEndian, isBig) = (true, false)
    case [0x4D, 0x4D, 0, 0x2A]: (isLittleEndian, isBig) = (false, false)
    case [0x49, 0x49, 0x2B, 0]: (isLittleEndian, isBig) = (true, true)
    case [0x4D, 0x4D, 0, 0x2B]: (isLittleEndian, isBig) = (false, true)
    default: return nil
    }
    func integer(at offset: Int, bytes count: Int) -> Int? {
      guard offset >= 0, offset <= tiff.count - count else { return nil }
      let field = tiff.dropFirst(offset).prefix(count)
      return (isLittleEndian ? Array(field.reversed()) : Array(field)).reduce(0) { $0 << 8 | Int($1) }
    }
    let wide = isBig ? 8 : 4
    let countSize = isBig ? 8 : 2
    let entrySize = 4 + 2 * wide
    guard let directory = integer(at: wide, bytes: wide), let entryCount = integer(at: directory, bytes: countSize)
    else { return nil }
    for index in 0..<min(max(0, entryCount), tiff.count / entrySize) {
      let entry = directory + countSize + index * entrySize
      guard let tag = integer(at: entry, bytes: 2) else { return nil }
      guard tag == 0x0112 else { continue }
      guard let type = integer(at: entry + 2, bytes: 2), integer(at: entry + 4, bytes: wide) == 1 else { return nil }
      let short = 3
      let long = 4
      let value = entry + 4 + wide
      return type == short ? integer(at: value, bytes: 2) : type == long ? integer(at: value, bytes: 4) : nil
    }
    return nil
  }
}

extension RGBImage {
  /// The picture upright, from pixels stored with `orientation`. The turned cases swap the sides.
  public func applying(_ orientation: ExifOrientation) -> RGBImage {
    // The source pixel of (x, y) is (originX + x·xx + y·xy, originY + x·yx + y·yy).
    let right = width - 1
    let bottom = height - 1
    let (originX, originY, xx, xy, yx, yy): (Int, Int, Int, Int, Int, Int)
    switch orientation {
    case .upright: return self
    case .flipHorizontally: (originX, originY, xx, xy, yx, yy) = (right, 0, -1, 0, 0, 1)
    case .turnHalf: (originX, originY, xx, xy, yx, yy) = (right, bottom, -1, 0, 0, -1)
    case .flipVertically: (originX, originY, xx, xy, yx, yy) = (0, bottom, 1, 0, 0, -1)
    case .transpose: (originX, originY, xx, xy, yx, yy) = (0, 0, 0, 1, 1, 0)
    case .turnClockwise: (originX, originY, xx, xy, yx, yy) = (0, bottom, 0, 1, -1, 0)
    case .transverse: (originX, originY, xx, xy, yx, yy) = (right, bottom, 0, -1, -1, 0)
    case .turnCounterclockwise: (originX, originY, xx, xy, yx, yy) = (right, 0, 0, -1, 1, 0)
    }
    let swaps = xx == 0
    let newWidth = swaps ? height : width
    let newHeight = swaps ? width : height
    var turned: [UInt8] = []
    turned.reserveCapacity(pixels.count)
    for y in 0..<newHeight {
      var source = ((originY + y * yy) * width + originX + y * xy) * 3
      let step = (yx * width + xx) * 3
      for _ in 0..<newWidth {
        turned.append(pixels[source])
        turned.append(pixels[source + 1])
        turned.append(pixels[source + 2])
        source += step
      }
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: turned)
  }
}
