/// A picture of 8-bit RGB: `pixels[(y * width + x) * 3 + channel]`, rows from the top.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  public let pixels: [UInt8]

  /// - Precondition: both sides are positive and `pixels` holds `height * width * 3` bytes.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    precondition(pixels.count == width * height * 3, "an RGB image has three bytes a pixel")
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
