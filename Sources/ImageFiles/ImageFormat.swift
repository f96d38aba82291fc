internal import Failures
internal import Files

/// The formats that are read, told apart by their first bytes, never by the file's name.
public enum ImageFormat: String, Sendable, CaseIterable {
  case png = "PNG"
  case jpeg = "JPEG"

  init?(magicOf bytes: [UInt8]) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else {
      return nil
    }
  }

  /// What bytes that are neither PNG nor JPEG seem to be, and what to do about them.
  static func other(_ bytes: [UInt8]) -> (found: String, remedy: Message) {
    let again: Message = "copy or fetch the picture itself again"
    if bytes.isEmpty { return ("an empty file", again) }
    let start = Array(bytes.prefix(Leftover.startSize))
    // SVG may begin as any XML does.
    if start.starts(with: "<".utf8), String(decoding: start, as: UTF8.self).contains("<svg") { return ("SVG", convert) }
    if let leftover = Leftover(start, fromText: true, remedy: again) { return (leftover.found, leftover.remedy) }
    return (otherFormat(start), convert)
  }

  private static let convert: Message = "convert it to PNG or JPEG"

  private static func otherFormat(_ bytes: [UInt8]) -> String {
    let head = Array(bytes.prefix(64))
    for (offset, magic, name) in otherMagics where head.dropFirst(offset).starts(with: magic.utf8) {
      return name
    }
    if head.starts(with: [0xFF, 0x0A]) {
      return "JPEG XL"
    }
    if head.starts(with: [0xFF, 0x4F, 0xFF, 0x51]) {
      return "JPEG 2000"
    }
    let hexadecimal = head.prefix(8).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    return "a file that starts with the bytes " + hexadecimal.joined(separator: " ")
  }

  private static let otherMagics: [(offset: Int, magic: String, name: String)] = [
    (8, "WEBP", "WebP"),
    (0, "GIF87a", "GIF"),
    (0, "GIF89a", "GIF"),
    (0, "BM", "BMP"),
    (0, "II*\0", "TIFF"),
    (0, "MM\0*", "TIFF"),
    (0, "II+\0", "TIFF"),
    (0, "MM\0+", "TIFF"),
    (4, "ftypavif", "AVIF"),
    (4, "ftyphei", "HEIC"),
    (4, "ftypmif1", "HEIF"),
    (4, "JXL ", "JPEG XL"),
    (4, "jP  ", "JPEG 2000"),
    (0, "8BPS", "Photoshop"),
    (0, "%PDF", "PDF"),
    (0, "P5", "PGM"),
    (0, "P6", "PPM"),
  ]
}
