/// The segments of a JPEG before its first scan, in their order, as far as they are whole (ITU T.81, annex B).
struct JPEGSegments: Sequence, IteratorProtocol {
  struct Segment {
    let marker: UInt8
    /// Where what follows the length lies.
    let content: Range<Int>

    /// Whether it is the frame's header, which has the size.
    var isFrame: Bool { (0xC0...0xCF).contains(marker) && ![0xC4, 0xC8, 0xCC].contains(marker) }
  }

  private let bytes: [UInt8]
  /// Behind the start of the image.
  private var position = 2

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func next() -> Segment? {
    while position + 4 <= bytes.count, bytes[position] == 0xFF {
      let marker = bytes[position + 1]
      switch marker {
      // Fill.
      case 0xFF: position += 1
      // Those that stand alone.
      case 0x01, 0xD0...0xD8: position += 2
      // The end, and a scan.
      case 0xD9, 0xDA: return nil
      default:
        let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
        let start = position + 4
        guard length >= 2, length - 2 <= bytes.count - start else { return nil }
        position = start + length - 2
        return Segment(marker: marker, content: start..<position)
      }
    }
    return nil
  }
}
