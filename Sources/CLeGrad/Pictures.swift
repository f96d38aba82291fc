// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import Failures
import Files
import ImageFiles
import LeGrad
import Synchronization
import VisionTransformer

/// Pictures in the caller's memory, read while a call lasts.
@safe struct PictureList {
  private let pictures: UnsafePointer<legrad_picture>?
  let count: Int

  /// The largest side of a picture.
  private static let sideLimit: UInt64 = 1 << 20

  init(_ pictures: UnsafePointer<legrad_picture>?, size: Int, count: Int) throws(Failure) {
    let (known, isThere) = unsafe (MemoryLayout<legrad_picture>.size, pictures != nil)
    try refuseNegative(count, "pictures")
    guard count == 0 || (size == known && isThere) else {
      throw Failure(
        LEGRAD_USAGE,
        "pictures: expected \(count) of \(known) bytes each; give as many as are counted, and "
          + "sizeof(legrad_picture)")
    }
    unsafe self.pictures = unsafe pictures
    self.count = count
  }

  /// A picture as a model sees it, and the picture's own size.
  func prepared(
    _ index: Int, by explainer: Explainer, size: InputSize, resize: ResizeMode
  ) throws(Failure) -> (image: PreparedImage, height: Int, width: Int) {
    let picture = try unsafe picture(index)
    switch unsafe Int(picture.type) {
    case LEGRAD_RGB8:
      let image = try unsafe Self.image(picture, "pictures[\(index)]")
      do throws(LeGradError) {
        return (try explainer.prepare(image, size: size, resize: resize), image.height, image.width)
      } catch { throw Failure(error) }
    case LEGRAD_PREPARED:
      let image = try unsafe Self.prepared(
        picture, "pictures[\(index)]", patch: explainer.model.configuration.vision.patchSize)
      return (image, image.height, image.width)
    default:
      throw Failure(
        LEGRAD_USAGE,
        "pictures[\(index)].type: expected LEGRAD_RGB8 or LEGRAD_PREPARED, found \(unsafe picture.type)")
    }
  }

  private func picture(_ index: Int) throws(Failure) -> legrad_picture {
    guard let pictures = unsafe pictures else { throw Failure(LEGRAD_USAGE, "pictures: found NULL; give them") }
    return unsafe pictures[index]
  }

  /// A copy of 8-bit pixels.
  static func image(_ picture: legrad_picture, _ place: String) throws(Failure) -> RGBImage {
    guard unsafe Int(picture.type) == LEGRAD_RGB8 else {
      throw Failure(LEGRAD_USAGE, "\(place).type: expected LEGRAD_RGB8, found \(unsafe picture.type)")
    }
    let (height, width) = try unsafe sides(picture, place)
    let row = width * 3
    let step = unsafe picture.row_bytes == 0 ? row : try exact(picture.row_bytes, "\(place).row_bytes")
    guard step >= row, !step.multipliedReportingOverflow(by: height).overflow else {
      throw Failure(LEGRAD_USAGE, "\(place).row_bytes: expected at least \(row), 3 for each pixel, found \(step)")
    }
    guard let pixels = unsafe picture.pixels else {
      throw Failure(LEGRAD_USAGE, "\(place).pixels: expected \(height) rows of \(width) pixels, found NULL")
    }
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: height * row) { buffer, count in
      for y in 0..<height {
        unsafe UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[(y * row)..<((y + 1) * row)]
        )
        .copyMemory(from: UnsafeRawBufferPointer(start: pixels + y * step, count: row))
      }
      count = height * row
    }
    return RGBImage(width: width, height: height, pixels: bytes)
  }

  private static func sides(_ picture: legrad_picture, _ place: String) throws(Failure) -> (height: Int, width: Int) {
    let (height, width) = unsafe (picture.height, picture.width)
    guard (1...sideLimit).contains(height), (1...sideLimit).contains(width), height * width <= 1 << 32 else {
      throw Failure(
        LEGRAD_USAGE,
        "\(place): expected sides from 1 to \(sideLimit) and at most 2^32 pixels, found \(width)x\(height)")
    }
    return (Int(height), Int(width))
  }

  private static func prepared(
    _ picture: legrad_picture, _ place: String, patch: Int
  ) throws(Failure) -> PreparedImage {
    let (height, width) = try unsafe sides(picture, place)
    guard height % patch == 0, width % patch == 0, height / patch * (width / patch) <= 1 << 16 else {
      throw Failure(
        LEGRAD_USAGE,
        "\(place): expected sides that are multiples of the model's patch, \(patch), and at most 65536 patches, found "
          + "\(width)x\(height); resize the picture, or give its 8-bit pixels")
    }
    guard let pixels = unsafe picture.pixels, unsafe picture.row_bytes == 0,
      UInt(bitPattern: pixels) % UInt(MemoryLayout<Float>.alignment) == 0
    else {
      throw Failure(LEGRAD_USAGE, "\(place).pixels: expected aligned floats without gaps, found others or NULL")
    }
    let count = 3 * height * width
    let floats = unsafe Array(UnsafeBufferPointer(start: pixels.assumingMemoryBound(to: Float.self), count: count))
    guard let odd = floats.firstIndex(where: { !$0.isFinite }) else {
      return PreparedImage(
        pixels: floats, height: height, width: width, region: PixelRegion(x: 0, y: 0, width: width, height: height))
    }
    throw Failure(LEGRAD_INPUT, "\(place).pixels: expected finite numbers, found \(floats[odd]) at \(odd)")
  }
}

/// A picture, with what C reads of it in place.
@safe final class ImageObject: @unchecked Sendable {
  let image: RGBImage
  // Written before anybody else sees it, and never again.
  let pixels: UnsafeMutableBufferPointer<UInt8>
  private let png = Mutex<[UInt8]?>(nil)

  init(_ image: RGBImage) {
    self.image = image
    unsafe pixels = .allocate(capacity: image.pixels.count)
    _ = unsafe pixels.initialize(from: image.pixels)
  }

  deinit { unsafe pixels.deallocate() }

  /// The bytes of a PNG file, which are made once.
  func pngBytes() throws(Failure) -> [UInt8] {
    try png.withLock { png throws(Failure) in
      if let png { return png }
      do throws(ImageError) {
        let bytes = try image.pngBytes()
        png = bytes
        return bytes
      } catch { throw Failure(error) }
    }
  }
}

@c @implementation
public func legrad_image_read(
  _ path: legrad_text, _ image: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(image, "image")
    guard let file = try unsafe path.path("path") else {
      throw Failure(LEGRAD_USAGE, "path: expected a picture's file, found nothing; name one")
    }
    let decoded: DecodedImage
    do throws(ImageError) { decoded = try RGBImage.decode(path: file) } catch { throw Failure(error) }
    unsafe result.pointee = Held(ImageObject(decoded.image)).handle
  }
}

@c @implementation
public func legrad_image_from_pixels(
  _ picture: UnsafePointer<legrad_picture>?, _ image: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(image, "image")
    guard let picture = unsafe picture else { throw Failure(LEGRAD_USAGE, "picture: found NULL; give one") }
    let copy = try unsafe PictureList.image(picture.pointee, "picture")
    unsafe result.pointee = Held(ImageObject(copy)).handle
  }
}

@c @implementation
public func legrad_image_height(_ image: OpaquePointer?) -> UInt64 {
  guard let image = unsafe image else { return 0 }
  return unsafe UInt64(Held<ImageObject>.of(image).value.image.height)
}

@c @implementation
public func legrad_image_width(_ image: OpaquePointer?) -> UInt64 {
  guard let image = unsafe image else { return 0 }
  return unsafe UInt64(Held<ImageObject>.of(image).value.image.width)
}

@c @implementation
public func legrad_image_pixels(_ image: OpaquePointer?) -> UnsafePointer<UInt8>? {
  guard let image = unsafe image else { return nil }
  return unsafe UnsafePointer(Held<ImageObject>.of(image).value.pixels.baseAddress)
}

@c @implementation
public func legrad_image_write_png(
  _ image: OpaquePointer?, _ path: legrad_text, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let image = try unsafe Held<ImageObject>.required(image, "image").value
    guard let file = try unsafe path.path("path") else {
      throw Failure(LEGRAD_USAGE, "path: expected the file to write, found nothing; name one")
    }
    let bytes = try image.pngBytes()
    do throws(FileError) { try AtomicFile.write(bytes, to: file) } catch { throw Failure(error) }
  }
}

@c @implementation
public func legrad_image_png(
  _ image: OpaquePointer?, _ buffer: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
  _ needed: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let bytes = try unsafe Held<ImageObject>.required(image, "image").value.pngBytes()
    unsafe needed?.pointee = bytes.count
    guard let buffer = unsafe buffer else { return }
    unsafe buffer.update(from: bytes, count: max(0, min(capacity, bytes.count)))
  }
}

@c @implementation
public func legrad_image_free(_ image: OpaquePointer?) { unsafe Held<ImageObject>.free(image) }
