/// Draws heatmaps, alone or over the picture they explain.
public struct Overlay: Sendable {
  public let colormap: Colormap
  /// The heatmap's share of each pixel, 0...1.
  public let alpha: Float
  /// What is left of the picture's brightness outside the explained region.
  static let dimming: Float = 0.4

  /// - Precondition: `alpha` lies in 0...1.
  public init(colormap: Colormap = .viridis, alpha: Float = 0.6) {
    precondition((0...1).contains(alpha), "alpha lies in 0...1")
    self.colormap = colormap
    self.alpha = alpha
  }

  /// The heatmap's colours at its own size.
  /// - Parameter heatmap: `[height, width]` in [0, 1]; values outside are clamped, NaN reads as 0.
  public func draw(heatmap: [Float], width: Int, height: Int) -> RGBImage {
    precondition(heatmap.count == width * height, "the numbers must fill the heatmap")
    let colors = colormap.table
    var pixels: [UInt8] = []
    pixels.reserveCapacity(heatmap.count * 3)
    for value in heatmap {
      let entry = Colormap.entry(of: value) * 3
      pixels.append(contentsOf: colors[entry..<(entry + 3)])
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// The picture at its own size with the heatmap, resampled bilinearly, laid over `region`; what lies outside is
  /// dimmed.
  /// - Parameters:
  ///   - heatmap: `[height, width]` in [0, 1]; values outside are clamped, NaN reads as 0.
  ///   - region: what part of the picture the heatmap speaks of, in the picture's pixels; nil is all of it. It may reach
  ///     beyond the picture, whose padding the heatmap speaks of too.
  /// - Precondition: `region` has pixels of the picture.
  public func blend(
    heatmap: [Float], width: Int, height: Int, over image: RGBImage, region: PixelRegion? = nil
  ) -> RGBImage {
    precondition(heatmap.count == width * height, "the numbers must fill the heatmap")
    let region = region ?? PixelRegion(x: 0, y: 0, width: image.width, height: image.height)
    let shown = max(0, region.x)..<min(image.width, region.x + region.width)
    precondition(
      !shown.isEmpty && region.height > 0 && region.y < image.height && region.y + region.height > 0,
      "the region has pixels of the picture")
    let dimmed = (0..<256).map { UInt8((Float($0) * Self.dimming).rounded()) }
    let tints = colormap.table.map { Float($0) * alpha }
    let columns = BilinearAxis(from: width, to: region.width)
    let rows = BilinearAxis(from: height, to: region.height)
    var row = [Float](repeating: 0, count: width)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(image.pixels.count)
    for y in 0..<image.height {
      let start = y * image.width * 3
      let end = start + image.width * 3
      guard y >= region.y, y < region.y + region.height else {
        pixels.append(contentsOf: image.pixels[start..<end].lazy.map { dimmed[Int($0)] })
        continue
      }
      rows.blendRow(y - region.y, of: heatmap, width: width, into: &row)
      let left = start + shown.lowerBound * 3
      let right = start + shown.upperBound * 3
      pixels.append(contentsOf: image.pixels[start..<left].lazy.map { dimmed[Int($0)] })
      for x in shown {
        let entry = Colormap.entry(of: columns.sample(x - region.x, of: row)) * 3
        for channel in 0..<3 {
          let original = Float(image.pixels[start + x * 3 + channel])
          pixels.append(UInt8((original * (1 - alpha) + tints[entry + channel]).rounded()))
        }
      }
      pixels.append(contentsOf: image.pixels[right..<end].lazy.map { dimmed[Int($0)] })
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }
}
