internal import CImageCodecs

/// What is decoded of a picture.
struct CodecRequest: Sendable, Equatable {
  let format: ImageFormat
  /// 3 for RGB; 4 for RGBA, of a PNG.
  var channels = 3
}

/// What a library said of a picture.
struct CodecAnswer: Sendable, Equatable {
  let status: legrad_codec_status
  /// What is wrong or, beside pixels, odd; in the library's words.
  let words: String
}

/// What decodes one picture after another: the size first, so that no memory is taken for too many pixels.
protocol Codec {
  /// Why it gives no answer.
  associatedtype Failure: Error

  /// - Returns: the size, of at least a pixel where the status is OK.
  func size(
    of bytes: [UInt8], _ request: CodecRequest
  ) throws(Failure) -> (answer: CodecAnswer, width: Int, height: Int)

  /// The pixels, row-major, of what the size was asked of; none unless the status is OK.
  /// - Parameters:
  ///   - width: what `size` has found, and so `height`.
  func pixels(
    of bytes: [UInt8], _ request: CodecRequest, width: Int, height: Int
  ) throws(Failure) -> (answer: CodecAnswer, pixels: [UInt8])

  /// Goes on to the next picture, of whose size alone something was wanted.
  func skipPixels() throws(Failure)
}

/// The libraries in this process.
struct OwnCodec: Codec {
  typealias Failure = Never

  func size(of bytes: [UInt8], _ request: CodecRequest) -> (answer: CodecAnswer, width: Int, height: Int) {
    if request.format == .bmp { return bitmapSize(of: bytes) }
    var width: UInt32 = 0
    var height: UInt32 = 0
    var message = legrad_codec_message()
    let status =
      switch request.format {
      case .png: unsafe legrad_png_size(bytes, bytes.count, &width, &height, &message)
      case .jpeg: unsafe legrad_jpeg_size(bytes, bytes.count, &width, &height, &message)
      case .webp: unsafe legrad_webp_size(bytes, bytes.count, &width, &height, &message)
      case .tiff: unsafe legrad_tiff_size(bytes, bytes.count, &width, &height, &message)
      case .gif: unsafe legrad_gif_size(bytes, bytes.count, &width, &height, &message)
      case .avif, .heic:
        unsafe legrad_heif_size(bytes, bytes.count, request.format.isAV1, &width, &height, &message)
      case .bmp: LEGRAD_CODEC_UNSUPPORTED
      }
    return (CodecAnswer(status: status, words: message.string), Int(width), Int(height))
  }

  func pixels(
    of bytes: [UInt8], _ request: CodecRequest, width: Int, height: Int
  ) -> (answer: CodecAnswer, pixels: [UInt8]) {
    if request.format == .bmp { return bitmapPixels(of: bytes, width: width, height: height) }
    var message = legrad_codec_message()
    var status = LEGRAD_CODEC_OK
    let count = width * height * request.channels
    let (columns, rows) = (UInt32(width), UInt32(height))
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      let start = buffer.baseAddress
      status =
        switch (request.format, request.channels) {
        case (.png, 4): unsafe legrad_png_decode_rgba(bytes, bytes.count, columns, rows, start, &message)
        case (.png, _): unsafe legrad_png_decode(bytes, bytes.count, columns, rows, start, &message)
        case (.jpeg, _): unsafe legrad_jpeg_decode(bytes, bytes.count, columns, rows, start, &message)
        case (.webp, _): unsafe legrad_webp_decode(bytes, bytes.count, columns, rows, start, &message)
        case (.tiff, _): unsafe legrad_tiff_decode(bytes, bytes.count, columns, rows, start, &message)
        case (.gif, _): unsafe legrad_gif_decode(bytes, bytes.count, columns, rows, start, &message)
        case (.avif, _), (.heic, _):
          unsafe legrad_heif_decode(bytes, bytes.count, request.format.isAV1, columns, rows, start, &message)
        case (.bmp, _): LEGRAD_CODEC_UNSUPPORTED
        }
      filled = status == LEGRAD_CODEC_OK ? count : 0
    }
    return (CodecAnswer(status: status, words: message.string), pixels)
  }

  func skipPixels() {}

  private func bitmapSize(of bytes: [UInt8]) -> (answer: CodecAnswer, width: Int, height: Int) {
    do throws(BMPPicture.Refusal) {
      let picture = try BMPPicture(bytes)
      return (CodecAnswer(status: LEGRAD_CODEC_OK, words: ""), picture.width, picture.height)
    } catch { return (CodecAnswer(error), 0, 0) }
  }

  private func bitmapPixels(
    of bytes: [UInt8], width: Int, height: Int
  ) -> (answer: CodecAnswer, pixels: [UInt8]) {
    do throws(BMPPicture.Refusal) {
      let picture = try BMPPicture(bytes)
      guard picture.width == width, picture.height == height else {
        throw .corrupt("the size differs from the one asked for")
      }
      return (CodecAnswer(status: LEGRAD_CODEC_OK, words: ""), try picture.pixels())
    } catch { return (CodecAnswer(error), []) }
  }
}

extension CodecAnswer {
  fileprivate init(_ refusal: BMPPicture.Refusal) {
    status = refusal.isUnsupported ? LEGRAD_CODEC_UNSUPPORTED : LEGRAD_CODEC_CORRUPT
    words = refusal.words
  }
}

extension ImageFormat {
  /// For the library that reads both of its formats.
  fileprivate var isAV1: Int32 { self == .avif ? 1 : 0 }
}

extension legrad_codec_message {
  var string: String {
    unsafe withUnsafeBytes(of: text) { buffer in
      unsafe String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
