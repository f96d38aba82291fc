/// A rectangle of whole pixels; (`x`, `y`) is its upper left pixel.
public struct PixelRegion: Sendable, Equatable, Codable {
  public let x: Int
  public let y: Int
  public let width: Int
  public let height: Int

  public init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// Whether this is a rectangle of at least one pixel inside a picture of the given size.
  public func fits(width: Int, height: Int) -> Bool {
    x >= 0 && y >= 0 && self.width > 0 && self.height > 0 && self.width <= width && self.height <= height
      && x <= width - self.width && y <= height - self.height
  }
}

extension RGBImage {
  /// The part of the picture inside `region`.
  /// - Precondition: `region` lies inside the picture.
  public func cropped(to region: PixelRegion) -> RGBImage {
    precondition(region.fits(width: width, height: height), "a crop lies inside the picture")
    var kept: [UInt8] = []
    kept.reserveCapacity(region.width * region.height * 3)
    for y in region.y..<(region.y + region.height) {
      let start = (y * width + region.x) * 3
      kept.append(contentsOf: pixels[start..<(start + region.width * 3)])
    }
    return RGBImage(width: region.width, height: region.height, pixels: kept)
  }
}
