internal import Processes

/// How a library brings a picture to a model's input: the picture is resized, and a window of the result is kept, which
/// is padded where it reaches beyond.
public struct PictureSteps: Sendable, Equatable {
  public enum Resize: Sendable, Equatable {
    /// Both sides.
    case squash(width: Int, height: Int)
    /// Aspect kept, the picture just covering the size; the other side is cut to a whole number.
    case cover(width: Int, height: Int)
    /// Aspect kept, the picture just inside the size; both sides are rounded.
    case inside(width: Int, height: Int)
    /// Each side to whole patches, as many as there may be in all (SigLIP 2's NaFlex).
    case patches(limit: Int, side: Int)
  }

  public var resize: Resize
  /// Width and height of the window, which lies in the middle; nil for all that was resized.
  public var window: (width: Int, height: Int)?
  public var offset: CropOffset
  /// Red, green and blue of padding.
  public var padding: [UInt8]

  /// - Precondition: all sizes are positive, and `padding` has three values.
  public init(
    _ resize: Resize, window: (width: Int, height: Int)? = nil, offset: CropOffset = .roundHalfEven,
    padding: [UInt8] = [0, 0, 0]
  ) {
    precondition(padding.count == 3, "padding has three channels")
    self.resize = resize
    self.window = window
    self.offset = offset
    self.padding = padding
  }

  public static func == (left: PictureSteps, right: PictureSteps) -> Bool {
    left.resize == right.resize && left.window?.width == right.window?.width
      && left.window?.height == right.window?.height && left.offset == right.offset && left.padding == right.padding
  }

  /// The size that a picture has once it is resized.
  public func resized(width: Int, height: Int) -> (width: Int, height: Int) {
    switch resize {
    case .squash(let newWidth, let newHeight): return (newWidth, newHeight)
    case .cover(let newWidth, let newHeight):
      let coversWidth = newWidth * height >= newHeight * width
      return (
        coversWidth ? newWidth : max(newWidth, newHeight * width / height),
        coversWidth ? max(newHeight, newWidth * height / width) : newHeight
      )
    case .inside(let newWidth, let newHeight):
      let ratio = max(Double(width) / Double(newWidth), Double(height) / Double(newHeight))
      func side(_ length: Int) -> Int { max(1, Int((Double(length) / ratio).rounded(.toNearestOrEven))) }
      return (side(width), side(height))
    case .patches(let limit, let side):
      return Self.wholePatches(width: width, height: height, limit: limit, side: side)
    }
  }

  /// transformers' search for the largest scale at which both sides, rounded up to whole patches, have few enough.
  private static func wholePatches(width: Int, height: Int, limit: Int, side: Int) -> (width: Int, height: Int) {
    func scaled(_ length: Int, by scale: Double) -> Int {
      max(side, Int((Double(length) * scale / Double(side)).rounded(.up)) * side)
    }
    let precision = 1e-5
    var (low, high) = (precision / 10, 100.0)
    while high - low >= precision {
      let scale = (low + high) / 2
      let patches = scaled(width, by: scale) / side * (scaled(height, by: scale) / side)
      if patches <= limit { low = scale } else { high = scale }
    }
    return (scaled(width, by: low), scaled(height, by: low))
  }
}

extension RGBImage {
  /// The picture after `steps`.
  func fitted(_ steps: PictureSteps, filter: ResizeFilter, sharing budget: ThreadBudget? = nil) -> FittedImage {
    let size = steps.resized(width: width, height: height)
    let window = steps.window ?? size
    let place = (
      x: steps.offset.offset(window: window.width, of: size.width),
      y: steps.offset.offset(window: window.height, of: size.height)
    )
    let (columns, rows) = (
      max(0, place.x)..<min(size.width, place.x + window.width),
      max(0, place.y)..<min(size.height, place.y + window.height)
    )
    let kept = resized(
      width: size.width, height: size.height, filter: filter,
      keeping: PixelRegion(x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count),
      sharing: budget)
    let image =
      kept.width == window.width && kept.height == window.height
      ? kept
      : kept.padded(
        width: window.width, height: window.height, x: columns.lowerBound - place.x, y: rows.lowerBound - place.y,
        with: steps.padding)
    let (x, shownWidth) = Self.original(start: place.x, count: window.width, resized: size.width, side: width)
    let (y, shownHeight) = Self.original(start: place.y, count: window.height, resized: size.height, side: height)
    return FittedImage(image: image, region: PixelRegion(x: x, y: y, width: shownWidth, height: shownHeight))
  }

  /// The picture in a larger one of one colour, its upper left pixel at (`x`, `y`).
  private func padded(width newWidth: Int, height newHeight: Int, x: Int, y: Int, with colour: [UInt8]) -> RGBImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(newWidth * newHeight * 3)
    func pad(_ count: Int) { for _ in 0..<count { pixels += colour } }
    for row in 0..<newHeight {
      guard row >= y, row < y + height else {
        pad(newWidth)
        continue
      }
      pad(x)
      pixels += self.pixels[(row - y) * width * 3..<(row - y + 1) * width * 3]
      pad(newWidth - x - width)
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: pixels)
  }

  /// The values of `[0, 1]` at another size, `[3, height, width]`, interpolated bilinearly without rounding: as PyTorch
  /// resizes floats with antialias.
  public func resizedPlanes(width newWidth: Int, height newHeight: Int) -> [Double] {
    let columns = (0..<newWidth).map { FilterTaps(of: $0, from: width, to: newWidth, .bilinear) }
    let rows = (0..<newHeight).map { FilterTaps(of: $0, from: height, to: newHeight, .bilinear) }
    var planes: [Double] = []
    planes.reserveCapacity(3 * newWidth * newHeight)
    for channel in 0..<3 {
      var narrowed = [Double](repeating: 0, count: height * newWidth)
      for y in 0..<height {
        for (x, taps) in columns.enumerated() {
          var sum = 0.0
          for (k, weight) in taps.weights.enumerated() {
            sum += weight * Double(pixels[(y * width + taps.low + k) * 3 + channel])
          }
          narrowed[y * newWidth + x] = sum / 255
        }
      }
      for taps in rows {
        for x in 0..<newWidth {
          var sum = 0.0
          for (k, weight) in taps.weights.enumerated() { sum += weight * narrowed[(taps.low + k) * newWidth + x] }
          planes.append(sum)
        }
      }
    }
    return planes
  }
}
