internal import CImageCodecs
package import Processes

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
    let table = colormap.table
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: heatmap.count * 3) { pixels, count in
      unsafe legrad_colour_row(heatmap, heatmap.count, table, pixels.baseAddress)
      count = heatmap.count * 3
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
    blend(heatmap: heatmap, width: width, height: height, over: ShownImage(image), region: region)
  }

  /// The same at the size at which the picture is shown. A pixel belongs to the region where its middle does.
  /// - Parameter region: in pixels of the original picture.
  public func blend(
    heatmap: [Float], width: Int, height: Int, over shown: ShownImage, region: PixelRegion? = nil
  ) -> RGBImage {
    precondition(heatmap.count == width * height, "the numbers must fill the heatmap")
    let image = shown.image
    let region = region ?? PixelRegion(x: 0, y: 0, width: shown.originalWidth, height: shown.originalHeight)
    let columns = RegionAxis(
      count: image.width, of: shown.originalWidth, region: region.x..<(region.x + region.width), cells: width)
    let rows = RegionAxis(
      count: image.height, of: shown.originalHeight, region: region.y..<(region.y + region.height), cells: height)
    let dimmed = (0..<256).map { UInt8((Float($0) * Self.dimming).rounded()) }
    let tints = colormap.table.map { Float($0) * alpha }
    var row = [Float](repeating: 0, count: width)
    let stride = image.width * 3
    let (left, right) = (columns.inside.lowerBound * 3, columns.inside.upperBound * 3)
    let pixels = unsafe [UInt8](unsafeUninitializedCapacity: image.pixels.count) { target, count in
      unsafe image.pixels.withUnsafeBufferPointer { source in
        func dim(_ range: Range<Int>) {
          for index in range { unsafe target[index] = dimmed[Int(source[index])] }
        }
        for y in 0..<image.height {
          let start = y * stride
          guard rows.inside.contains(y) else {
            dim(start..<start + stride)
            continue
          }
          rows.axis.blendRow(y - rows.inside.lowerBound, of: heatmap, width: width, into: &row)
          dim(start..<start + left)
          unsafe columns.axis.withPlaces(0..<columns.inside.count) { places in
            unsafe legrad_blend_row(
              source.baseAddress! + start + left, row, places, columns.inside.count, 1 - alpha, tints,
              target.baseAddress! + start + left)
          }
          dim(start + right..<start + stride)
        }
      }
      count = image.pixels.count
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }
}

/// A picture at the size at which it is shown.
public struct ShownImage: Sendable, Equatable {
  public let image: RGBImage
  /// The size of the picture itself.
  public let originalWidth: Int
  public let originalHeight: Int

  /// - Parameter side: what the longer side has at most; the picture is then resized bilinearly, its aspect kept to the
  ///   nearest pixel. Nil shows it as it is.
  /// - Precondition: `side` is positive.
  public init(_ picture: RGBImage, longerSide side: Int? = nil) {
    self.init(picture, longerSide: side, sharing: nil)
  }

  /// The same on the threads of `budget` that are free.
  package init(_ picture: RGBImage, longerSide side: Int?, sharing budget: ThreadBudget?) {
    (originalWidth, originalHeight) = (picture.width, picture.height)
    let size = Self.size(width: picture.width, height: picture.height, longerSide: side)
    image = picture.resized(width: size.width, height: size.height, filter: .bilinear, sharing: budget)
  }

  /// The size at which a picture is shown.
  public static func size(width: Int, height: Int, longerSide side: Int?) -> (width: Int, height: Int) {
    let longer = max(width, height)
    guard let side, side < longer else { return (width, height) }
    precondition(side > 0, "a side is positive")
    func scaled(_ length: Int) -> Int { max(1, (2 * length * side + longer) / (2 * longer)) }
    return (scaled(width), scaled(height))
  }
}

/// Along one side of a shown picture: the pixels inside a region, and the cells of its map that they show.
private struct RegionAxis {
  let inside: Range<Int>
  let axis: BilinearAxis

  /// - Parameters:
  ///   - count: pixels of the side as it is shown.
  ///   - original: pixels of the side itself, in which `region` is.
  ///   - cells: of the map that the region has.
  init(count: Int, of original: Int, region: Range<Int>, cells: Int) {
    let scale = Double(original) / Double(count)
    func centre(_ pixel: Int) -> Double { (Double(pixel) + 0.5) * scale - Double(region.lowerBound) }
    let pixels = (0..<count).filter { (0..<Double(region.count)).contains(centre($0)) }
    // A region smaller than a pixel as it is shown has the one that it lies in.
    let middle = Int(Double(region.lowerBound + region.upperBound) / 2 / scale)
    inside = pixels.first.map { $0..<$0 + pixels.count } ?? middle..<middle + 1
    precondition(
      !region.isEmpty && inside.lowerBound >= 0 && inside.upperBound <= count, "the region has pixels of the picture")
    axis = BilinearAxis(from: cells, to: region.count, at: inside.map(centre))
  }
}
