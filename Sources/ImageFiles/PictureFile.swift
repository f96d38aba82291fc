internal import Failures
internal import Files

/// A picture's file that was read and is not decoded yet.
package struct PictureFile: Sendable {
  private let path: String
  private let bytes: [UInt8]

  package init(path: String, fileSizeLimit: Int = RGBImage.defaultFileSizeLimit) throws(ImageError) {
    do throws(FileError) {
      bytes = try WholeFile.read(path, limit: fileSizeLimit, allowingPipes: true)
    } catch { throw ImageError(error) }
    self.path = path
  }

  /// Memory until the picture is decoded and turned, as far as the file's beginning tells.
  package var bytesToDecode: Int { bytes.count + 2 * Self.pixelBytes(bytes) }

  package func decode(pixelLimit: Int, applyOrientation: Bool) throws(ImageError) -> DecodedImage {
    try RGBImage.decode(bytes: bytes, name: path, pixelLimit: pixelLimit, applyOrientation: applyOrientation)
  }

  /// Of a PNG or a JPEG by its header; of another file by its size, as if it were a JPEG of good quality.
  package static func pixelBytes(_ bytes: [UInt8]) -> Int {
    func number(_ start: Int, _ count: Int) -> Int {
      start + count <= bytes.count ? bytes[start..<start + count].reduce(0) { $0 << 8 | Int($1) } : 0
    }
    func pixels(_ width: Int, _ height: Int) -> Int {
      3 * min(width, RGBImage.sideLimit) * min(height, RGBImage.sideLimit)
    }
    switch ImageFormat(magicOf: bytes) {
    case .png?: return pixels(number(16, 4), number(20, 4))
    case .jpeg?:
      var place = 2
      while place + 9 <= bytes.count {
        guard bytes[place] == 0xFF else { return 0 }
        switch bytes[place + 1] {
        case 0xFF: place += 1
        case 0x01, 0xD0...0xD9: place += 2
        case 0xC4, 0xC8, 0xCC: place += 2 + max(2, number(place + 2, 2))
        // A frame: length, bits, height, width.
        case 0xC0...0xCF: return pixels(number(place + 7, 2), number(place + 5, 2))
        default: place += 2 + max(2, number(place + 2, 2))
        }
      }
      return 0
    default: return 10 * bytes.count
    }
  }
}
