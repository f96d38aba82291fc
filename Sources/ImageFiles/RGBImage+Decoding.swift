internal import CImageCodecs
public import Failures
internal import Files
internal import Processes

/// A decoded picture and what its file said about it.
public struct DecodedImage: Sendable, Equatable {
  public let image: RGBImage
  public let format: ImageFormat
  /// The orientation noted in the file; `.upright` if there is none.
  public let storedOrientation: ExifOrientation
  /// The orientation that `image` has been turned by: the stored one if it was asked for, else `.upright`.
  public let appliedOrientation: ExifOrientation
  /// What in the file is against its format's standard though every pixel was read, in the codec's words.
  public let remark: String?
}

extension RGBImage {
  /// Twice the size at which Pillow starts to warn; Pillow refuses from here on.
  public static let defaultPixelLimit = 178_956_970
  /// Resampling keeps weights in proportion to a side, so one very long side is refused whatever the area.
  public static let sideLimit = 1_000_000
  public static let defaultFileSizeLimit = 1 << 30

  /// Reads and decodes a PNG or JPEG file.
  public static func decode(
    path: String, pixelLimit: Int = defaultPixelLimit, fileSizeLimit: Int = defaultFileSizeLimit,
    applyOrientation: Bool = false
  ) throws(ImageError) -> DecodedImage {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try WholeFile.read(path, limit: fileSizeLimit, allowingPipes: true)
    } catch {
      throw ImageError(error)
    }
    return try decode(bytes: bytes, name: path, pixelLimit: pixelLimit, applyOrientation: applyOrientation)
  }

  /// Decodes a PNG or JPEG to what Pillow's `Image.open(…).convert("RGB")` gives, with one exception.
  ///
  /// Alpha is dropped, palettes are looked up, gamma and colour profiles are ignored, CMYK is converted by Pillow's
  /// formula taking inks as stored inverted. 16 bits a channel become their high byte, 16-bit grey too (where Pillow
  /// clips to 255). Damaged or truncated data is an error, there being no half images, but for
  /// what a PNG has behind its pixels. Bytes too many in a JPEG, and numbers in its headers that no pixel depends on, are
  /// remarked.
  ///
  /// - Parameters:
  ///   - name: what errors call the bytes.
  ///   - pixelLimit: width × height above which the picture is refused, before memory is taken for it.
  ///   - applyOrientation: turn the pixels as the camera's EXIF note asks. Pillow does not, so the default is not to.
  public static func decode(
    bytes: [UInt8], name: String = "image", pixelLimit: Int = defaultPixelLimit, applyOrientation: Bool = false
  ) throws(ImageError) -> DecodedImage {
    guard let format = ImageFormat(magicOf: bytes) else {
      throw ImageError(
        .unsupported, file: name, place: "the picture's format is not supported", expected: "PNG or JPEG",
        found: ImageFormat.describeOther(bytes), remedy: "convert it to PNG or JPEG")
    }
    let (image, remark) = try decodePixels(bytes, format: format, name: name, pixelLimit: pixelLimit)
    let stored = ExifOrientation(notedIn: bytes) ?? .upright
    let applied = applyOrientation ? stored : .upright
    return DecodedImage(
      image: image.applying(applied), format: format, storedOrientation: stored, appliedOrientation: applied,
      remark: remark)
  }

  /// How opaque the pixels of a PNG are, row-major, from 0 to 255: 255 everywhere in one without alpha.
  /// - Parameters:
  ///   - name: what errors call the bytes.
  ///   - width: the picture's, as `decode` found it, and so `height`.
  package static func opacity(
    ofPNG bytes: [UInt8], name: String, width: Int, height: Int
  ) throws(ImageError) -> [UInt8] {
    var message = legrad_codec_message()
    var status = LEGRAD_CODEC_OK
    let count = width * height * 4
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      status = unsafe legrad_png_decode_rgba(
        bytes, bytes.count, UInt32(width), UInt32(height), buffer.baseAddress, &message)
      filled = status == LEGRAD_CODEC_OK ? count : 0
    }
    try check(status, message, format: .png, name: name)
    return stride(from: 3, to: pixels.count, by: 4).map { pixels[$0] }
  }

  private static func decodePixels(
    _ bytes: [UInt8], format: ImageFormat, name: String, pixelLimit: Int
  ) throws(ImageError) -> (image: RGBImage, remark: String?) {
    var width: UInt32 = 0
    var height: UInt32 = 0
    var message = legrad_codec_message()
    var status =
      switch format {
      case .png: unsafe legrad_png_size(bytes, bytes.count, &width, &height, &message)
      case .jpeg: unsafe legrad_jpeg_size(bytes, bytes.count, &width, &height, &message)
      }
    try check(status, message, format: format, name: name)
    guard max(width, height) <= sideLimit else {
      throw ImageError(
        .tooLarge, file: name, place: "a side of the picture is too long",
        expected: "at most \(sideLimit) pixels", found: "\(width) × \(height)", remedy: "cut the picture into pieces")
    }
    // Both factors are at most a million, so the product fits.
    let pixelCount = Int(width) * Int(height)
    guard pixelCount <= pixelLimit else {
      throw ImageError(
        .tooLarge, file: name, place: "the picture has too many pixels", expected: "at most \(pixelLimit)",
        found: "\(width) × \(height) = \(pixelCount)",
        remedy: "raise the limit (\(Subject.pixelLimit)) if the file is trusted")
    }
    try checkMemory(for: pixelCount, "\(width) × \(height) = \(pixelCount)", name: name)
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: pixelCount * 3) { buffer, count in
      status =
        switch format {
        case .png:
          unsafe legrad_png_decode(bytes, bytes.count, width, height, buffer.baseAddress, &message)
        case .jpeg:
          unsafe legrad_jpeg_decode(bytes, bytes.count, width, height, buffer.baseAddress, &message)
        }
      count = status == LEGRAD_CODEC_OK ? pixelCount * 3 : 0
    }
    try check(status, message, format: format, name: name)
    let remark = message.string
    return (RGBImage(width: Int(width), height: Int(height), pixels: pixels), remark.isEmpty ? nil : remark)
  }

  /// Bytes that a pixel takes until its picture is done with: decoded, turned, overlaid, encoded and in its file.
  private static let bytesPerPixel = 20
  /// Pictures that nobody asks the system for.
  private static let smallPixelCount = 1 << 18

  /// How many pixels a picture may have for the memory that the process may still take.
  package static func pixelsThatFit() -> Int { MemoryAllowance.share() / bytesPerPixel }

  private static func checkMemory(for pixelCount: Int, _ found: String, name: String) throws(ImageError) {
    guard pixelCount > smallPixelCount else { return }
    let most = pixelsThatFit()
    guard pixelCount > most else { return }
    throw ImageError(
      .outOfMemory, file: name, place: "the picture has too many pixels for the memory",
      expected: "at most \(most), as \(MemoryAllowance.available() >> 20) MiB may still be taken", found: found,
      remedy: "use a smaller picture, or give the process more memory (ulimit -v, its container's, the machine's)")
  }

  private static func check(
    _ status: legrad_codec_status, _ message: legrad_codec_message, format: ImageFormat, name: String
  ) throws(ImageError) {
    guard status != LEGRAD_CODEC_OK else { return }
    let found = message.string
    switch status {
    case LEGRAD_CODEC_OUT_OF_MEMORY:
      throw ImageError(
        .outOfMemory, file: name, place: "memory ran out while decoding", expected: "room for the pixels",
        found: found, remedy: "use a smaller picture")
    case LEGRAD_CODEC_UNSUPPORTED:
      throw ImageError(
        .unsupported, file: name, place: "this kind of \(format.rawValue) is not supported",
        expected: "8-bit grey, RGB or CMYK", found: found, remedy: "convert it to PNG")
    default:
      throw ImageError(
        .corrupt, file: name, place: "the \(format.rawValue) cannot be decoded",
        expected: "a complete and undamaged file", found: found, remedy: "copy or save the picture again")
    }
  }
}

extension legrad_codec_message {
  var string: String {
    unsafe withUnsafeBytes(of: text) { buffer in
      unsafe String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
