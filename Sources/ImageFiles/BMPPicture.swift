/// A Windows bitmap (BMP), which has no library of its own: a header, a palette and rows, plain or run-length coded.
///
/// Colours are those of Pillow: alpha is dropped, and fewer than 8 bits a channel are spread over 0…255, rounded down.
struct BMPPicture {
  struct Refusal: Error {
    let isUnsupported: Bool
    let words: String

    static func corrupt(_ words: String) -> Refusal { Refusal(isUnsupported: false, words: words) }
    static func unsupported(_ words: String) -> Refusal { Refusal(isUnsupported: true, words: words) }
  }

  private enum Coding {
    case plain, runs8, runs4
  }

  /// Where in a pixel's number a channel is.
  private struct Channel {
    let shift: Int
    let most: Int

    /// - Returns: nil unless the ones of the mask lie beside each other.
    init?(mask: Int) {
      guard mask > 0 else { return nil }
      shift = mask.trailingZeroBitCount
      most = mask >> shift
      guard most & (most + 1) == 0 else { return nil }
    }

    func value(in pixel: Int) -> UInt8 { UInt8((pixel >> shift & most) * 255 / most) }
  }

  let width: Int
  let height: Int
  private let bytes: [UInt8]
  private let bits: Int
  private let isFromTop: Bool
  private let coding: Coding
  private let channels: [Channel]
  private let palette: [UInt8]
  private let start: Int

  private static let fileHeaderSize = 14
  private static let coreHeaderSize = 12
  private static let infoHeaderSize = 40
  /// Those of Windows and OS/2 that begin with the fields of the one of 40 bytes, and the core header.
  private static let headerSizes: Set<Int> = [coreHeaderSize, infoHeaderSize, 52, 56, 64, 108, 124]

  /// Whether bytes begin as a bitmap does: two letters would be any text's.
  static func begins(_ bytes: [UInt8]) -> Bool {
    guard bytes.starts(with: "BM".utf8), bytes.count >= fileHeaderSize + 4 else { return false }
    return headerSizes.contains(bytes.littleEndian(at: fileHeaderSize, count: 4))
  }

  /// Reads what is before the pixels.
  init(_ bytes: [UInt8]) throws(Refusal) {
    let header = Self.fileHeaderSize
    let headerSize = bytes.littleEndian(at: header, count: 4)
    guard bytes.count >= header + headerSize else { throw .corrupt("the file ends in its header") }
    let isCore = headerSize == Self.coreHeaderSize
    if isCore {
      width = bytes.littleEndian(at: header + 4, count: 2)
      height = bytes.littleEndian(at: header + 6, count: 2)
      isFromTop = false
    } else {
      let rows = Int(Int32(truncatingIfNeeded: bytes.littleEndian(at: header + 8, count: 4)))
      width = Int(Int32(truncatingIfNeeded: bytes.littleEndian(at: header + 4, count: 4)))
      (height, isFromTop) = (abs(rows), rows < 0)
    }
    guard width > 0, height > 0 else { throw .corrupt("a size of \(width) × \(height)") }
    bits = bytes.littleEndian(at: header + (isCore ? 10 : 14), count: 2)
    guard [1, 4, 8, 16, 24, 32].contains(bits) else { throw .unsupported("\(bits) bits a pixel") }
    let compression = isCore ? 0 : bytes.littleEndian(at: header + 16, count: 4)
    switch (compression, bits) {
    case (0, _), (3, 16), (3, 24), (3, 32): coding = .plain
    case (1, 8): coding = .runs8
    case (2, 4): coding = .runs4
    default: throw .unsupported("compression \(compression) of \(bits) bits a pixel")
    }
    var end = header + headerSize
    channels = try Self.channels(bytes, bits: bits, hasMasks: compression == 3)
    if compression == 3, headerSize == Self.infoHeaderSize { end += 12 }
    let stored = bytes.littleEndian(at: 10, count: 4)
    if bits <= 8 {
      let counted = isCore ? 0 : bytes.littleEndian(at: header + 32, count: 4)
      let entry = isCore ? 3 : 4
      let colours = counted == 0 ? 1 << bits : counted
      guard colours <= 1 << 16, bytes.count - end >= colours * entry else {
        throw .corrupt("the file ends in its palette of \(colours) colours")
      }
      palette = (0..<min(colours, 1 << bits)).flatMap { colour in
        let place = end + colour * entry
        return [bytes[place + 2], bytes[place + 1], bytes[place]]
      }
      // Some writers forget the palette where they say how far the pixels are.
      let after = end + colours * entry
      start = stored == 0 || stored == header + headerSize ? after : stored
    } else {
      palette = []
      start = stored == 0 ? end : stored
    }
    self.bytes = bytes
    guard start <= bytes.count else { throw .corrupt("the file ends before its pixels") }
    // What follows the last pixel of the last row may be missing.
    let beforeLastRow = bytes.count - start - (width * bits + 7) / 8
    guard coding != .plain || (beforeLastRow >= 0 && height - 1 <= beforeLastRow / stride) else {
      throw .corrupt("the file is too short to hold as many pixels as its header says")
    }
  }

  /// Rows are padded to 32 bits.
  private var stride: Int { (width * bits + 31) / 32 * 4 }

  /// Red, green and blue of pixels that are numbers; none where they are indices, or whole bytes.
  private static func channels(_ bytes: [UInt8], bits: Int, hasMasks: Bool) throws(Refusal) -> [Channel] {
    var masks: [Int]
    switch bits {
    case 16: masks = [0x7C00, 0x03E0, 0x001F]
    case 24 where hasMasks, 32: masks = [0xFF_0000, 0xFF00, 0xFF]
    default: return []
    }
    if hasMasks {
      let place = fileHeaderSize + infoHeaderSize
      guard bytes.count >= place + 12 else { throw .corrupt("the file ends in its masks") }
      let stored = (0..<3).map { bytes.littleEndian(at: place + 4 * $0, count: 4) }
      if stored != [0, 0, 0] { masks = stored }
    }
    let channels = masks.compactMap(Channel.init(mask:))
    guard channels.count == 3 else {
      throw .unsupported("masks \(masks.map { String($0, radix: 16) }.joined(separator: ", "))")
    }
    return channels
  }

  /// `height * width * 3` bytes of RGB, from the top.
  func pixels() throws(Refusal) -> [UInt8] {
    switch coding {
    case .plain: return bits <= 8 ? try coloured(plainIndices()) : plainColours()
    case .runs8, .runs4: return try coloured(runs())
    }
  }

  /// The row of the picture, from the top, that is stored as the given one.
  private func row(stored: Int) -> Int { isFromTop ? stored : height - 1 - stored }

  private func plainIndices() -> [UInt8] {
    var indices = [UInt8](repeating: 0, count: width * height)
    let (most, perByte) = (UInt8(truncatingIfNeeded: 1 << bits - 1), 8 / bits)
    for stored in 0..<height {
      let (from, to) = (start + stored * stride, row(stored: stored) * width)
      for x in 0..<width {
        indices[to + x] = bytes[from + x / perByte] >> UInt8(8 - bits - x % perByte * bits) & most
      }
    }
    return indices
  }

  private func plainColours() -> [UInt8] {
    var colours = [UInt8](repeating: 0, count: 3 * width * height)
    let size = bits / 8
    for stored in 0..<height {
      var (from, to) = (start + stored * stride, 3 * row(stored: stored) * width)
      for _ in 0..<width {
        if channels.isEmpty {
          colours[to] = bytes[from + 2]
          colours[to + 1] = bytes[from + 1]
          colours[to + 2] = bytes[from]
        } else {
          let pixel = bytes.littleEndian(at: from, count: size)
          colours[to] = channels[0].value(in: pixel)
          colours[to + 1] = channels[1].value(in: pixel)
          colours[to + 2] = channels[2].value(in: pixel)
        }
        from += size
        to += 3
      }
    }
    return colours
  }

  /// Indices of run-length coded rows; 0 where a run is passed over.
  private func runs() throws(Refusal) -> [UInt8] {
    var indices = [UInt8](repeating: 0, count: width * height)
    var (place, x, y) = (start, 0, 0)
    let isNibbles = coding == .runs4
    func put(_ index: UInt8) {
      if x < width { indices[row(stored: y) * width + x] = index }
      x += 1
    }
    while y < height {
      guard place + 2 <= bytes.count else {
        // The last row need not have an end.
        if y == height - 1, x >= width { break }
        throw .corrupt("the file ends early")
      }
      let (count, value) = (Int(bytes[place]), bytes[place + 1])
      place += 2
      switch (count, value) {
      case (0, 0): (x, y) = (0, y + 1)
      case (0, 1): return indices
      case (0, 2):
        guard place + 2 <= bytes.count else { throw .corrupt("the file ends early") }
        (x, y) = (x + Int(bytes[place]), y + Int(bytes[place + 1]))
        place += 2
        guard x <= width, y < height else { throw .corrupt("a step leads out of the picture") }
      case (0, _):
        let length = isNibbles ? (Int(value) + 1) / 2 : Int(value)
        guard place + length <= bytes.count else { throw .corrupt("the file ends early") }
        for pixel in 0..<Int(value) {
          let byte = bytes[place + (isNibbles ? pixel / 2 : pixel)]
          put(isNibbles ? (pixel % 2 == 0 ? byte >> 4 : byte & 15) : byte)
        }
        place += length + length % 2
      default:
        for pixel in 0..<count { put(isNibbles ? (pixel % 2 == 0 ? value >> 4 : value & 15) : value) }
      }
    }
    return indices
  }

  private func coloured(_ indices: [UInt8]) throws(Refusal) -> [UInt8] {
    guard Int(indices.max() ?? 0) < palette.count / 3 else {
      throw .corrupt("a pixel's palette index is past the palette")
    }
    var colours = [UInt8](repeating: 0, count: 3 * indices.count)
    for (pixel, index) in indices.enumerated() {
      let colour = 3 * Int(index)
      colours[3 * pixel] = palette[colour]
      colours[3 * pixel + 1] = palette[colour + 1]
      colours[3 * pixel + 2] = palette[colour + 2]
    }
    return colours
  }
}

extension [UInt8] {
  /// The number of `count` bytes from `place` on, which are there.
  fileprivate func littleEndian(at place: Int, count: Int) -> Int {
    var value = 0
    for offset in 0..<count { value |= Int(self[place + offset]) << (8 * offset) }
    return value
  }
}
