internal import CImageCodecs
public import Failures
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

  /// Reads and decodes a picture's file.
  public static func decode(
    path: String, pixelLimit: Int = defaultPixelLimit, fileSizeLimit: Int = defaultFileSizeLimit,
    applyOrientation: Bool = false
  ) throws(ImageError) -> DecodedImage {
    try PictureFile(path: path, fileSizeLimit: fileSizeLimit)
      .decode(pixelLimit: pixelLimit, applyOrientation: applyOrientation)
  }

  /// Decodes a picture to what Pillow's `Image.open(…).convert("RGB")` gives, with one exception.
  ///
  /// The format is told by the first bytes (``ImageFormat``). WebP, TIFF, GIF, AVIF and HEIC need their libraries on the
  /// machine. Of an animation, and of a TIFF's several pictures, the first is taken; of an AVIF's or HEIC's the primary.
  ///
  /// Alpha is dropped, palettes are looked up, gamma and colour profiles are ignored, CMYK is converted by Pillow's
  /// formula taking a JPEG's inks as stored inverted. 16 bits a channel become their high byte, 16-bit grey too (where
  /// Pillow clips to 255). Damaged or truncated data is an error, there being no half images, but for what a PNG has behind
  /// its pixels, and for what decoders of AV1 and HEVC conceal within their data. Bytes too many in a JPEG, and numbers in
  /// its headers that no pixel depends on, are remarked.
  ///
  /// - Parameters:
  ///   - name: what errors call the bytes.
  ///   - pixelLimit: width × height above which the picture is refused, before memory is taken for it.
  ///   - applyOrientation: turn the pixels as the camera's EXIF note asks. Pillow does not, so the default is not to; a
  ///     TIFF it turns always, and so does this. An AVIF or HEIC has turns of its own, which are always done, and its
  ///     note is passed over.
  public static func decode(
    bytes: [UInt8], name: String = "image", pixelLimit: Int = defaultPixelLimit, applyOrientation: Bool = false
  ) throws(ImageError) -> DecodedImage {
    try decode(bytes: bytes, name: name, pixelLimit: pixelLimit, applyOrientation: applyOrientation, sharing: nil)
  }

  static func decode(
    bytes: [UInt8], name: String, pixelLimit: Int, applyOrientation: Bool, sharing budget: ThreadBudget?
  ) throws(ImageError) -> DecodedImage {
    guard let format = ImageFormat(magicOf: bytes) else {
      let (found, remedy) = ImageFormat.other(bytes)
      throw ImageError(
        .unsupported, file: name, place: "the picture's format is not supported", expected: ImageFormat.list,
        found: found, remedy: remedy)
    }
    let (size, pixels, remark) = try decode(bytes, CodecRequest(format: format), name: name, pixelLimit: pixelLimit)
    let image = RGBImage(width: size.width, height: size.height, pixels: pixels)
    let stored = ExifOrientation(notedIn: bytes) ?? .upright
    let applied = applyOrientation || format == .tiff ? stored : .upright
    return DecodedImage(
      image: image.applying(applied, sharing: budget), format: format, storedOrientation: stored,
      appliedOrientation: applied, remark: remark)
  }

  /// How opaque the pixels of a PNG are, row-major, from 0 to 255: 255 everywhere in one without alpha.
  /// - Parameters:
  ///   - name: what errors call the bytes.
  ///   - width: the picture's, as `decode` found it, and so `height`.
  package static func opacity(
    ofPNG bytes: [UInt8], name: String, width: Int, height: Int
  ) throws(ImageError) -> [UInt8] {
    let request = CodecRequest(format: .png, channels: 4)
    let (found, pixels, _) = try decode(bytes, request, name: name, pixelLimit: width * height)
    guard found == (width, height) else {
      throw ImageError(
        .corrupt, file: name, place: "the size differs from one reading to the next", expected: "\(width) × \(height)",
        found: "\(found.width) × \(found.height)", remedy: "check what decodes the pictures")
    }
    return stride(from: 3, to: pixels.count, by: 4).map { pixels[$0] }
  }

  private typealias Pixels = (size: (width: Int, height: Int), pixels: [UInt8], remark: String?)

  /// Decodes where pictures are decoded.
  private static func decode(
    _ bytes: [UInt8], _ request: CodecRequest, name: String, pixelLimit: Int
  ) throws(ImageError) -> Pixels {
    let result: Result<Pixels, ImageError>
    do throws(DecoderProcess.Loss) {
      if let process = try DecoderSandbox.take() {
        result = try decode(bytes, request, name: name, pixelLimit: pixelLimit, by: process)
        DecoderSandbox.giveBack(process)
      } else {
        result = decode(bytes, request, name: name, pixelLimit: pixelLimit, by: OwnCodec())
      }
    } catch {
      throw ImageError(
        .decoderLost, file: name, place: "the process that decodes gave no answer",
        expected: "\(request.format.rawValue) or what is wrong with it", found: error.found,
        remedy: "do not trust the picture; make it anew from its source")
    }
    return try result.get()
  }

  /// The result of a codec that has answered, after which it may take the next picture.
  private static func decode<Decoder: Codec>(
    _ bytes: [UInt8], _ request: CodecRequest, name: String, pixelLimit: Int, by codec: Decoder
  ) throws(Decoder.Failure) -> Result<Pixels, ImageError> {
    let (sized, width, height) = try codec.size(of: bytes, request)
    if let error = fault(sized, request.format, name: name) { return .failure(error) }
    // What is cut out of a larger picture costs what that one does.
    let coded = [.avif, .heic].contains(request.format) ? HEIFSizes(bytes).max { $0.pixels < $1.pixels } : nil
    for size in [(width, height), coded.map { ($0.width, $0.height) } ?? (width, height)] {
      if let error = fault(width: size.0, height: size.1, limit: pixelLimit, request.format, name: name) {
        try codec.skipPixels()
        return .failure(error)
      }
    }
    let (answer, pixels) = try codec.pixels(of: bytes, request, width: width, height: height)
    if let error = fault(answer, request.format, name: name) { return .failure(error) }
    return .success(((width, height), pixels, answer.words.isEmpty ? nil : answer.words))
  }

  /// What is wrong with a size; nil where nothing is.
  private static func fault(
    width: Int, height: Int, limit: Int, _ format: ImageFormat, name: String
  ) -> ImageError? {
    guard max(width, height) <= sideLimit else {
      return ImageError(
        .tooLarge, file: name, place: "a side of the picture is too long",
        expected: "at most \(sideLimit) pixels", found: "\(width) × \(height)", remedy: "cut the picture into pieces")
    }
    // Both factors are at most a million, so the product fits.
    let pixelCount = width * height
    guard pixelCount <= limit else {
      return ImageError(
        .tooLarge, file: name, place: "the picture has too many pixels", expected: "at most \(limit)",
        found: "\(width) × \(height) = \(pixelCount)",
        remedy: "raise the limit (\(Subject.pixelLimit)) if the file is trusted")
    }
    let most = pixelCount > smallPixelCount ? pixelsThatFit(format) : pixelCount
    guard pixelCount <= most else {
      return ImageError(
        .outOfMemory, file: name, place: "the picture has too many pixels for the memory",
        expected: "at most \(most), as \(MemoryAllowance.available() >> 20) MiB may still be taken",
        found: "\(width) × \(height) = \(pixelCount)",
        remedy: "use a smaller picture, or give the process more memory (ulimit -v, its container's, the machine's)")
    }
    return nil
  }

  /// Bytes that a pixel takes until its picture is done with: decoded, turned, overlaid, encoded and in its file. libheif has
  /// its planes, of 16 bits where there are more than 8, as they were coded, in full resolution and beside each other.
  private static func bytesPerPixel(_ format: ImageFormat) -> Int { [.avif, .heic].contains(format) ? 24 : 10 }
  /// Pictures that nobody asks the system for.
  private static let smallPixelCount = 1 << 18

  /// How many pixels a picture may have for the memory that the process may still take.
  package static func pixelsThatFit(_ format: ImageFormat = .png) -> Int {
    MemoryAllowance.share() / bytesPerPixel(format)
  }

  /// What a library has found wrong; nil where nothing is.
  private static func fault(_ answer: CodecAnswer, _ format: ImageFormat, name: String) -> ImageError? {
    switch answer.status {
    case LEGRAD_CODEC_OK: nil
    case LEGRAD_CODEC_OUT_OF_MEMORY:
      ImageError(
        .outOfMemory, file: name, place: "memory ran out while decoding", expected: "room for the pixels",
        found: answer.words, remedy: "use a smaller picture")
    case LEGRAD_CODEC_NO_LIBRARY:
      ImageError(
        .noLibrary, file: name, place: "\(format.rawValue) is read by a library that this machine lacks",
        expected: format.library?.file ?? "", found: answer.words,
        remedy:
          "install it (Debian, Ubuntu: apt install \(format.library?.package ?? "")), or convert the picture to PNG")
    case LEGRAD_CODEC_NO_THREAD:
      ImageError(
        .exhausted, file: name, place: "\(format.rawValue) is decoded by threads",
        expected: "one that the system starts",
        found: answer.words,
        remedy: "end other programs, or raise the limit of processes (ulimit -u, its container's)")
    case LEGRAD_CODEC_NO_DECODER:
      ImageError(
        .noLibrary, file: name,
        place: "\(format.rawValue) is read by libheif, which lacks a part here",
        expected: "a decoder for \(format.decoder?.name ?? "it")", found: answer.words,
        remedy:
          "install it (Debian, Ubuntu: apt install \(format.decoder?.package ?? "")), or convert the picture to PNG")
    case LEGRAD_CODEC_UNSUPPORTED:
      ImageError(
        .unsupported, file: name, place: "this kind of \(format.rawValue) is not supported",
        expected: format.variants, found: answer.words, remedy: "convert it to PNG")
    default:
      ImageError(
        .corrupt, file: name, place: "the \(format.rawValue) cannot be decoded",
        expected: "a complete and undamaged file", found: answer.words, remedy: "copy or save the picture again")
    }
  }
}
