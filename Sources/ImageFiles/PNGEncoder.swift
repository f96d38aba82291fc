internal import CImageCodecs
public import Failures

/// Pictures to PNG bytes.
public enum PNGEncoder {
  public enum Channels: Int, Sendable {
    case grey = 1
    case rgb = 3
    case rgba = 4
  }

  /// Encodes 8-bit pixels, channels together, rows from the top.
  /// - Precondition: both sides lie in 1..<2³¹ and `pixels` holds `height * width * channels` bytes.
  public static func encode(
    pixels: [UInt8], width: Int, height: Int, channels: Channels, name: String = "image"
  ) throws(ImageError) -> [UInt8] {
    precondition(width > 0 && height > 0 && width < 1 << 31 && height < 1 << 31, "a PNG side lies in 1..<2^31")
    precondition(pixels.count == width * height * channels.rawValue, "the pixels must fill the picture")
    var encoded: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message = legrad_codec_message()
    let status = unsafe legrad_png_encode(
      pixels, UInt32(width), UInt32(height), Int32(channels.rawValue), &encoded, &count, &message)
    guard status == LEGRAD_CODEC_OK, let start = unsafe encoded else {
      throw ImageError(
        .outOfMemory, file: name, place: "the PNG cannot be encoded", expected: "room for the encoded bytes",
        found: message.string, remedy: "use a smaller picture")
    }
    defer { unsafe legrad_codec_free(start) }
    return unsafe Array(UnsafeBufferPointer(start: start, count: count))
  }
}

extension RGBImage {
  /// This picture as the bytes of a PNG file.
  public func pngBytes() throws(ImageError) -> [UInt8] {
    try PNGEncoder.encode(pixels: pixels, width: width, height: height, channels: .rgb)
  }
}
