import Failures
public import ImageFiles
import Processes
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
  /// As the library that wrote the model's folder prepares its pictures.
  case processor
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

  /// Where the pixels come from, more exactly than they are.
  private enum Origin {
    case picture(RGBImage, PixelStatistics)
    case numbers([Double])
  }

  fileprivate init(_ picture: RGBImage, _ statistics: PixelStatistics, region: PixelRegion) {
    pixels = picture.normalised(by: statistics)
    height = picture.height
    width = picture.width
    self.region = region
    origin = .picture(picture, statistics)
  }

  /// Planes of numbers in 0…1, `[3, height, width]`.
  fileprivate init(
    planes: [Double], height: Int, width: Int, _ statistics: PixelStatistics, region: PixelRegion
  ) {
    let exact = planes.indices.map { index in
      let channel = index / (height * width)
      return (planes[index] - statistics.mean[channel]) / statistics.std[channel]
    }
    pixels = exact.map { Float($0) }
    self.height = height
    self.width = width
    self.region = region
    origin = .numbers(exact)
  }

  /// Pixels that come from no picture.
  package init(pixels: [Float], height: Int, width: Int, region: PixelRegion) {
    self.pixels = pixels
    self.height = height
    self.width = width
    self.region = region
    origin = nil
  }

  /// `pixels` as float64 gives them: the methods that compute in float64 would see the rounding of float32.
  var float64Pixels: [Double] {
    switch origin {
    case .picture(let picture, let statistics): picture.normalisedInDouble(by: statistics)
    case .numbers(let numbers): numbers
    case nil: pixels.map { Double($0) }
    }
  }
}

extension Explainer {
  /// Brings a picture to the model's input: resize (Pillow-exact), scale to [0, 1], subtract mean, divide by std.
  ///
  /// A picture that already has the size is not resampled. What is left of whole patches at the right and the bottom is
  /// cut off, as the model does not read it.
  public func prepare(
    _ image: RGBImage, size: InputSize = .native, resize: ResizeMode = .squash, filter: ResizeFilter? = nil
  ) throws(LeGradError) -> PreparedImage {
    try model.prepare(
      image, by: model.known(pixelStatistics), size: size, resize: resize, filter: filter, sharing: threadBudget)
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

  /// See `Explainer.prepare(_:size:resize:filter:)`.
  func prepare(
    _ image: RGBImage, by statistics: PixelStatistics, size: InputSize, resize: ResizeMode, filter: ResizeFilter? = nil,
    sharing budget: ThreadBudget? = nil
  ) throws(LeGradError) -> PreparedImage {
    let fitting = try fitting(size: size, resize: resize)
    if resize == .processor, configuration.preprocessing.resizesNumbers, filter == nil,
      case .steps(let steps) = fitting, steps.window == nil
    {
      let size = steps.resized(width: image.width, height: image.height)
      return PreparedImage(
        planes: image.resizedPlanes(width: size.width, height: size.height), height: size.height, width: size.width,
        statistics, region: PixelRegion(x: 0, y: 0, width: image.width, height: image.height))
    }
    let fitted = image.fitted(fitting, filter: filter ?? self.filter, sharing: budget)
      .inWholePatches(of: configuration.vision.patchSize)
    return PreparedImage(fitted.image, statistics, region: fitted.region)
  }

  /// - Throws: where there are none.
  func known(_ statistics: PixelStatistics?) throws(LeGradError) -> PixelStatistics {
    if let statistics { return statistics }
    throw LeGradError(
      .input,
      "\(name): the model does not say with which mean and std its pixels were normalised; "
        + "give \(Subject.mean) R,G,B and \(Subject.std) R,G,B (a guess would be silently wrong)")
  }

  func fitting(size: InputSize, resize: ResizeMode) throws(LeGradError) -> ImageFitting {
    let vision = configuration.vision
    let patch = vision.patchSize
    var width = vision.imageWidth
    var height = vision.imageHeight
    if resize == .processor, let output = configuration.preprocessing.output {
      (width, height) = (output.width, output.height)
    }
    if case .pixels(let askedWidth, let askedHeight) = size {
      (width, height) = (askedWidth, askedHeight)
    }
    // What is left of whole patches is cut off a size that the model's files say.
    let isNative = size == .native || (width, height) == (vision.imageWidth, vision.imageHeight)
    guard isNative || (width % patch == 0 && height % patch == 0) else {
      throw LeGradError(
        .usage,
        "\(Subject.size) \(width)x\(height): \(name) reads patches of \(patch)×\(patch) pixels; "
          + "both sides must be multiples of \(patch)")
    }
    guard width >= patch, height >= patch else {
      throw LeGradError(
        .usage, "\(name): \(width)x\(height) pixels hold no patch of \(patch)×\(patch); give \(Subject.size)")
    }
    guard width / patch <= Self.patchLimit, height / patch <= Self.patchLimit,
      width / patch * (height / patch) <= Self.patchLimit
    else {
      throw LeGradError(.usage, "\(Subject.size) \(width)x\(height): more than \(Self.patchLimit) patches")
    }
    switch resize {
    case .squash: return .squash(width: width, height: height)
    case .crop:
      return .crop(
        width: width, height: height, offset: configuration.preprocessing.cropsAtFloor ? .floor : .roundHalfEven)
    case .fit: return .fit(longerSide: max(width, height), patch: patch)
    case .processor:
      // A size that was asked for goes before the folder's number of patches.
      let limit = size == .native ? configuration.preprocessing.patchLimit : nil
      return .steps(steps(width: width, height: height, patchLimit: limit))
    }
  }

  /// The way of the library that wrote the folder to an input of this size.
  private func steps(width: Int, height: Int, patchLimit: Int?) -> PictureSteps {
    let (vision, preprocessing) = (configuration.vision, configuration.preprocessing)
    if vision.readsPatchRows {
      let patch = vision.patchSize
      return PictureSteps(.patches(limit: patchLimit ?? width / patch * (height / patch), side: patch))
    }
    var (fullWidth, fullHeight) = (width, height)
    if let resized = preprocessing.resized {
      // To another size than its own the way is as long in proportion.
      let own = preprocessing.output ?? .init(height: vision.imageHeight, width: vision.imageWidth)
      fullWidth = resized.width * width / own.width
      fullHeight = resized.height * height / own.height
    }
    let resize: PictureSteps.Resize =
      switch preprocessing.resizeMode {
      case .squash: .squash(width: fullWidth, height: fullHeight)
      case .shortest: .cover(width: fullWidth, height: fullHeight)
      case .longest: .inside(width: fullWidth, height: fullHeight)
      }
    let isWhole = preprocessing.resizeMode == .squash && (fullWidth, fullHeight) == (width, height)
    return PictureSteps(
      resize, window: isWhole ? nil : (width, height), offset: preprocessing.cropsAtFloor ? .floor : .roundHalfEven,
      padding: preprocessing.padding)
  }

  /// The interpolation that the folder names.
  public var filter: ResizeFilter {
    switch configuration.preprocessing.interpolation {
    case .bilinear: .bilinear
    case .bicubic: .bicubic
    }
  }
}

extension FittedImage {
  /// Without what is left of whole patches at the right and the bottom.
  fileprivate func inWholePatches(of patch: Int) -> FittedImage {
    let (width, height) = (image.width / patch * patch, image.height / patch * patch)
    guard width < image.width || height < image.height, width > 0, height > 0 else { return self }
    return FittedImage(
      image: image.cropped(to: PixelRegion(x: 0, y: 0, width: width, height: height)),
      region: PixelRegion(
        x: region.x, y: region.y, width: max(1, (region.width * width + image.width / 2) / image.width),
        height: max(1, (region.height * height + image.height / 2) / image.height)))
  }
}
