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
    return try unsafe encoded(as: "PNG", name: name) { bytes, count, message in
      unsafe legrad_png_encode(pixels, UInt32(width), UInt32(height), Int32(channels.rawValue), bytes, count, message)
    }
  }
}

/// Pictures to JPEG bytes.
public enum JPEGEncoder {
  /// What a side has at most.
  public static let sideLimit = 65_500
  static let quality: Int32 = 90

  /// Encodes 8-bit RGB at quality 90, colours at half the resolution.
  /// - Precondition: both sides lie in 1...65,500.
  static func encode(_ image: RGBImage) throws(ImageError) -> [UInt8] {
    precondition(max(image.width, image.height) <= sideLimit, "a JPEG side lies in 1...65500")
    return try unsafe encoded(as: "JPEG", name: "image") { bytes, count, message in
      unsafe legrad_jpeg_encode(
        image.pixels, UInt32(image.width), UInt32(image.height), quality, bytes, count, message)
    }
  }
}

/// The bytes that a codec makes, of which there is a copy in C's memory meanwhile.
private func encoded(
  as format: String, name: String,
  _ encode: (
    UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>,
    UnsafeMutablePointer<legrad_codec_message>
  ) -> legrad_codec_status
) throws(ImageError) -> [UInt8] {
  var bytes: UnsafeMutablePointer<UInt8>?
  var count = 0
  var message = legrad_codec_message()
  let status = unsafe encode(&bytes, &count, &message)
  guard status == LEGRAD_CODEC_OK, let start = unsafe bytes else {
    throw ImageError(
      .outOfMemory, file: name, place: "the \(format) cannot be encoded", expected: "room for the encoded bytes",
      found: message.string, remedy: "use a smaller picture")
  }
  defer { unsafe legrad_codec_free(start) }
  return unsafe Array(UnsafeBufferPointer(start: start, count: count))
}

extension RGBImage {
  /// This picture as the bytes of a PNG file.
  public func pngBytes() throws(ImageError) -> [UInt8] {
    try PNGEncoder.encode(pixels: pixels, width: width, height: height, channels: .rgb)
  }

  /// This picture as the bytes of a JPEG file, of quality 90.
  /// - Precondition: neither side has more than `JPEGEncoder.sideLimit` pixels.
  public func jpegBytes() throws(ImageError) -> [UInt8] { try JPEGEncoder.encode(self) }
}
