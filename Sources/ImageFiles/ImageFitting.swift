package import Processes

/// How a picture of any shape is brought to a model's input size.
public enum ImageFitting: Sendable, Equatable {
  /// Both sides are set, whatever the aspect.
  case squash(width: Int, height: Int)
  /// Aspect kept: the picture is made just large enough to cover the size, then its middle is kept.
  case crop(width: Int, height: Int, offset: CropOffset = .roundHalfEven)
  /// Aspect kept as far as the patch allows: the longer side becomes `longerSide`, and both are rounded to whole
  /// patches (at least one).
  case fit(longerSide: Int, patch: Int)
  /// As the library that a model comes from does it.
  case steps(PictureSteps)
}

/// Where a centred crop starts when an odd number of pixels is left over.
public enum CropOffset: Sendable {
  /// torchvision's and OpenCLIP's: half the remainder, halves rounded to the even number.
  case roundHalfEven
  /// Hugging Face's: half the remainder, rounded down.
  case floor

  /// Where a window of `length` starts in `side` pixels; negative for a larger window, whose padding may be odd: timm
  /// has the smaller half first, Hugging Face the larger.
  func offset(window length: Int, of side: Int) -> Int {
    guard length > side else { return offset(side - length) }
    return self == .floor ? -((length - side + 1) / 2) : -((length - side) / 2)
  }

  func offset(_ remainder: Int) -> Int {
    let half = remainder / 2
    let isHalfway = remainder % 2 == 1
    return self == .roundHalfEven && isHalfway && half % 2 == 1 ? half + 1 : half
  }
}

/// A picture at a model's input size, and the part of the original that it shows.
public struct FittedImage: Sendable, Equatable {
  public let image: RGBImage
  /// In pixels of the original: all of it, except after a crop; beyond it where the picture was padded.
  public let region: PixelRegion

  public init(image: RGBImage, region: PixelRegion) {
    self.image = image
    self.region = region
  }
}

extension RGBImage {
  /// Brings the picture to a model's input size.
  /// - Precondition: all sizes of `fitting` are positive.
  public func fitted(_ fitting: ImageFitting, filter: ResizeFilter) -> FittedImage {
    fitted(fitting, filter: filter, sharing: nil)
  }

  /// The same on the threads of `budget` that are free.
  package func fitted(_ fitting: ImageFitting, filter: ResizeFilter, sharing budget: ThreadBudget?) -> FittedImage {
    let whole = PixelRegion(x: 0, y: 0, width: width, height: height)
    switch fitting {
    case .steps(let steps): return fitted(steps, filter: filter, sharing: budget)
    case .squash(let newWidth, let newHeight):
      return FittedImage(
        image: resized(width: newWidth, height: newHeight, filter: filter, sharing: budget), region: whole)
    case .crop(let newWidth, let newHeight, let offset):
      return fitted(
        PictureSteps(
          .cover(width: newWidth, height: newHeight), window: (newWidth, newHeight), offset: offset), filter: filter,
        sharing: budget)
    case .fit(let longerSide, let patch):
      precondition(longerSide > 0 && patch > 0, "sizes are positive")
      func rounded(_ side: Int) -> Int {
        let length = Double(side) * Double(longerSide) / Double(max(width, height))
        return max(1, Int((length / Double(patch)).rounded())) * patch
      }
      return FittedImage(
        image: resized(width: rounded(width), height: rounded(height), filter: filter, sharing: budget), region: whole)
    }
  }

  /// The pixels `start..<start+count` of a side that was `side` and became `resized` long, in pixels of the original,
  /// rounded, at least one.
  static func original(start: Int, count: Int, resized: Int, side: Int) -> (start: Int, count: Int) {
    let scale = Double(side) / Double(resized)
    let low = min(Int((Double(start) * scale).rounded()), side - 1)
    let high = Int((Double(start + count) * scale).rounded())
    return (low, max(1, (start + count <= resized ? min(high, side) : high) - low))
  }
}
