import Failures
public import ImageFiles
import VisionTransformer

/// The size at which the model sees a picture.
public enum InputSize: Sendable, Equatable {
  /// The model's own input size.
  case native
  /// Width and height in pixels, multiples of the patch.
  case pixels(width: Int, height: Int)

  /// Reads `native`, `N` or `WxH`; nil for anything else.
  public init?(_ text: String) {
    if text == "native" {
      self = .native
      return
    }
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count <= 2, let width = sides[0], let height = sides[sides.count - 1], width > 0, height > 0 else {
      return nil
    }
    self = .pixels(width: width, height: height)
  }
}

/// How a picture's shape is brought to the input's.
public enum ResizeMode: String, Sendable, CaseIterable {
  /// Both sides are set; the whole picture is explained, as LeGrad's own preprocessing does.
  case squash
  /// Shorter side first, then the middle is kept.
  case crop
  /// Aspect kept: the longer side as asked for, both rounded to the patch.
  case fit
}

/// A picture as the model sees it.
public struct PreparedImage: Sendable {
  /// Normalised and planar: `[3, height, width]`.
  public let pixels: [Float]
  public let height: Int
  public let width: Int
  /// The part of the original picture that the model sees, in the original's pixels.
  public let region: PixelRegion
  private let origin: Origin?

  /// What was normalised, and by what.
  private struct Origin {
    let picture: RGBImage
    let statistics: PixelStatistics
  }

  fileprivate init(_ picture: RGBImage, _ statistics: PixelStatistics, region: PixelRegion) {
    pixels = picture.normalised(by: statistics)
    height = picture.height
    width = picture.width
    self.region = region
    origin = Origin(picture: picture, statistics: statistics)
  }

  /// Pixels that come from no picture.
  init(pixels: [Float], height: Int, width: Int, region: PixelRegion) {
    self.pixels = pixels
    self.height = height
    self.width = width
    self.region = region
    origin = nil
  }

  /// `pixels` as float64 gives them: the methods that compute in float64 would see the rounding of float32.
  var float64Pixels: [Double] {
    origin.map { $0.picture.normalisedInDouble(by: $0.statistics) } ?? pixels.map { Double($0) }
  }
}

extension Explainer {
  /// Brings a picture to the model's input: resize (Pillow-exact), scale to [0, 1], subtract mean, divide by std.
  ///
  /// A picture that already has the size is not resampled.
  public func prepare(
    _ image: RGBImage, size: InputSize = .native, resize: ResizeMode = .squash, filter: ResizeFilter? = nil
  ) throws(LeGradError) -> PreparedImage {
    let statistics = try model.known(pixelStatistics)
    let fitting = try model.fitting(size: size, resize: resize)
    let fitted = image.fitted(fitting, filter: filter ?? model.filter)
    return PreparedImage(fitted.image, statistics, region: fitted.region)
  }
}

extension Model {
  /// The largest input, in patches; bounds what a request can ask of the memory.
  private static let patchLimit = 1 << 16

  /// Those that the folder names; nil if it names none, since a guess would be silently wrong.
  public var pixelStatistics: PixelStatistics? {
    guard let mean = configuration.preprocessing.mean, let std = configuration.preprocessing.std else { return nil }
    return PixelStatistics(mean: mean, std: std)
  }

  /// - Throws: where there are none.
  func known(_ statistics: PixelStatistics?) throws(LeGradError) -> PixelStatistics {
    if let statistics { return statistics }
    throw LeGradError(
      .input,
      "\(name): the folder does not say with which mean and std its pixels were normalised; "
        + "give \(Subject.mean) R,G,B and \(Subject.std) R,G,B (a guess would be silently wrong)")
  }

  func fitting(size: InputSize, resize: ResizeMode) throws(LeGradError) -> ImageFitting {
    let vision = configuration.vision
    let patch = vision.patchSize
    var width = vision.imageWidth
    var height = vision.imageHeight
    if case .pixels(let askedWidth, let askedHeight) = size {
      (width, height) = (askedWidth, askedHeight)
    }
    guard width % patch == 0, height % patch == 0 else {
      throw LeGradError(
        .usage,
        "\(Subject.size) \(width)x\(height): \(name) reads patches of \(patch)×\(patch) pixels; "
          + "both sides must be multiples of \(patch)")
    }
    guard width / patch <= Self.patchLimit, height / patch <= Self.patchLimit,
      width / patch * (height / patch) <= Self.patchLimit
    else {
      throw LeGradError(.usage, "\(Subject.size) \(width)x\(height): more than \(Self.patchLimit) patches")
    }
    switch resize {
    case .squash: return .squash(width: width, height: height)
    case .crop: return .crop(width: width, height: height)
    case .fit: return .fit(longerSide: max(width, height), patch: patch)
    }
  }

  /// The interpolation that the folder names.
  public var filter: ResizeFilter {
    switch configuration.preprocessing.interpolation {
    case .bilinear: .bilinear
    case .bicubic: .bicubic
    }
  }
}
