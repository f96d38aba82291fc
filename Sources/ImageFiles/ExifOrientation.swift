package import Processes

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
    // Of AVIF and HEIC the file's own turns are a part of the picture, whatever a note beside it says.
    case .bmp, .gif, .avif, .heic, nil: return nil
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
    for segment in JPEGSegments(bytes) where segment.marker == 0xE1 {
      let content = bytes[segment.content]
      if content.starts(with: jpegMark) { return content.dropFirst(jpegMark.count) }
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
  private static let turnedSquare = 64

  /// The picture upright, from pixels stored with `orientation`. The turned cases swap the sides.
  public func applying(_ orientation: ExifOrientation) -> RGBImage { applying(orientation, sharing: nil) }

  /// The same on the threads of `budget` that are free.
  package func applying(_ orientation: ExifOrientation, sharing budget: ThreadBudget?) -> RGBImage {
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
    let step = (yx * width + xx) * 3
    let turned = unsafe [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
      unsafe pixels.withUnsafeBufferPointer { source in
        RowParts.each(of: newHeight, bytes: newWidth * 3, budget) { rows in
          // In squares, as rows become columns: a line of the cache serves all of its pixels.
          for top in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.turnedSquare) {
            for left in stride(from: 0, to: newWidth, by: Self.turnedSquare) {
              for y in top..<min(top + Self.turnedSquare, rows.upperBound) {
                var from = ((originY + y * yy + left * yx) * width + originX + y * xy + left * xx) * 3
                var to = (y * newWidth + left) * 3
                for _ in left..<min(left + Self.turnedSquare, newWidth) {
                  unsafe target[to] = source[from]
                  unsafe target[to + 1] = source[from + 1]
                  unsafe target[to + 2] = source[from + 2]
                  from += step
                  to += 3
                }
              }
            }
          }
        }
      }
      count = pixels.count
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: turned)
  }
}
