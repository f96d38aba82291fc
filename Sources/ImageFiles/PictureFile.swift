internal import Failures
internal import Files
package import Processes

/// A picture's file that was read and is not decoded yet.
package struct PictureFile: Sendable {
  private let path: String
  private let bytes: [UInt8]

  /// - Parameter takesPipes: also reads a pipe that this process was started with, such as `/dev/stdin`.
  package init(
    path: String, fileSizeLimit: Int = RGBImage.defaultFileSizeLimit, takesPipes: Bool = true
  ) throws(ImageError) {
    do throws(FileError) {
      bytes = try WholeFile.read(path, limit: fileSizeLimit, allowingPipes: takesPipes)
    } catch { throw ImageError(error) }
    self.path = path
  }

  /// Memory until the picture is decoded and turned, as far as the file's beginning tells.
  package var bytesToDecode: Int { bytes.count + 2 * Self.pixelBytes(bytes) }

  /// - Parameter budget: threads that turn the picture where they are free.
  package func decode(
    pixelLimit: Int, applyOrientation: Bool, sharing budget: ThreadBudget? = nil
  ) throws(ImageError) -> DecodedImage {
    try RGBImage.decode(
      bytes: bytes, name: path, pixelLimit: pixelLimit, applyOrientation: applyOrientation, sharing: budget)
  }

  /// Of a PNG, a JPEG, an AVIF or a HEIC by its header; of another file by its size, as if it were a JPEG of good quality.
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
      guard let frame = JPEGSegments(bytes).first(where: \.isFrame), frame.content.count >= 5 else { return 0 }
      // Bits, height, width.
      return pixels(number(frame.content.lowerBound + 3, 2), number(frame.content.lowerBound + 1, 2))
    case .avif?, .heic?:
      // libheif holds the planes that were coded and colours at full resolution beside what is asked for.
      return 2 * HEIFSizes(bytes).map { pixels($0.width, $0.height) }.reduce(0, max)
    default: return 10 * bytes.count
    }
  }
}
