internal import Failures
internal import Files

/// The formats that are read, told apart by their first bytes, never by the file's name.
public enum ImageFormat: String, Sendable, CaseIterable {
  case png = "PNG"
  case jpeg = "JPEG"
  case webp = "WebP"
  case tiff = "TIFF"
  case bmp = "BMP"
  case gif = "GIF"
  case avif = "AVIF"
  case heic = "HEIC"

  /// How many of a file's first bytes tell its format.
  package static let magicSize = 64

  package init?(magicOf bytes: [UInt8]) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
      self = .webp
    } else if ["II*\0", "MM\0*", "II+\0", "MM\0+"].contains(where: { bytes.starts(with: $0.utf8) }) {
      self = .tiff
    } else if bytes.starts(with: "GIF87a".utf8) || bytes.starts(with: "GIF89a".utf8) {
      self = .gif
    } else if BMPPicture.begins(bytes) {
      self = .bmp
    } else if let family = HEIFBrands(bytes) {
      self = family.isAV1 ? .avif : .heic
    } else {
      return nil
    }
  }

  /// All of them, as they are named in a sentence.
  package static let list: String = {
    let names = allCases.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }()

  /// What files of these formats are called, in lower case. Others are known by what is in them alone.
  package static let endings: Set<String> = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "bmp", "dib", "gif", "avif", "heic", "heif",
  ]

  /// What a decoding process knows the format by.
  var number: UInt8 { UInt8(Self.allCases.firstIndex(of: self) ?? 0) }

  init?(number: UInt8) {
    guard Int(number) < Self.allCases.count else { return nil }
    self = Self.allCases[Int(number)]
  }

  /// The library that reads it where it is found at run time, and Debian's package.
  var library: (file: String, package: String)? {
    switch self {
    case .png, .jpeg, .bmp: nil
    case .webp: ("libwebp.so.7", "libwebp7")
    case .tiff: ("libtiff.so.6", "libtiff6")
    case .gif: ("libgif.so.7", "libgif7")
    case .avif, .heic: ("libheif.so.1, 1.15 or later", "libheif1")
    }
  }

  /// What its library decodes it with, which it may lack where it comes in parts, and Debian's package.
  var decoder: (name: String, package: String)? {
    switch self {
    case .avif: ("AV1", "libheif-plugin-dav1d")
    case .heic: ("HEVC", "libheif-plugin-libde265")
    default: nil
    }
  }

  /// What is read of it.
  var variants: String {
    switch self {
    case .png, .jpeg: "8-bit grey, RGB or CMYK"
    case .webp: "one of VP8, VP8L or an animation of them"
    case .tiff: "unsigned grey, palette, RGB or CMYK of up to 8 or of 16 bits, or YCbCr in JPEG"
    case .bmp: "1, 4, 8, 16, 24 or 32 bits a pixel, plain or run-length coded"
    case .gif: "an index for each pixel"
    case .avif: "a still picture in AV1"
    case .heic: "a still picture in HEVC"
    }
  }

  /// What bytes of no format that is read seem to be, and what to do about them.
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
    (0, "BM", "a BMP without a known header"),
    (4, "ftypcrx ", "a camera's raw file"),
    (4, "ftypqt  ", "a video"),
    (4, "ftypisom", "a video"),
    (4, "ftypmp4", "a video"),
    (4, "JXL ", "JPEG XL"),
    (4, "jP  ", "JPEG 2000"),
    (0, "8BPS", "Photoshop"),
    (0, "%PDF", "PDF"),
    (0, "P5", "PGM"),
    (0, "P6", "PPM"),
  ]
}
