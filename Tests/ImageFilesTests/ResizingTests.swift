import CResampling
import FoundationEssentials
import Processes
import Randomness
import Testing

@testable import ImageFiles

@Suite struct ResizingTests {
  struct Preprocessing: Decodable {
    struct Case: Decodable {
      let image: String
      let resize: String
      let size: Int
      let expected: String
    }
    let cases: [Case]
  }

  @Test("every preprocessing case equals Pillow's, byte for byte")
  func preprocessing() throws {
    let table = try Data(ImageFixtures.bytes("preprocess/cases.json"))
    let cases = try JSONDecoder().decode(Preprocessing.self, from: table).cases
    #expect(cases.count > 20)
    for item in cases {
      let image = try RGBImage.decode(path: ImageFixtures.path("preprocess/" + item.image)).image
      let fitting: ImageFitting =
        item.resize == "squash"
        ? .squash(width: item.size, height: item.size) : .crop(width: item.size, height: item.size)
      let fitted = image.fitted(fitting, filter: .bicubic).image
      let expected = try NpyBytes(path: ImageFixtures.path("preprocess/" + item.expected))
      #expect(expected.shape == [fitted.height, fitted.width, 3], "\(item.expected)")
      #expect(expected.values == fitted.pixels, "\(item.expected)")
    }
  }

  @Test("every filter equals Pillow's at odd sizes", arguments: ImageFixtures.cases("resize"))
  func filters(expected: ImageFixtures.Case) throws {
    let image = try RGBImage.decode(path: expected.path).image
    let name = try #require(expected.filter)
    let filter = try #require(ResizeFilter(rawValue: name))
    #expect(image.resized(width: expected.width, height: expected.height, filter: filter) == expected.image)
  }

  private func noise(width: Int, height: Int) -> RGBImage {
    var random = SeededGenerator(seed: UInt64(width))
    return RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) })
  }

  /// Pictures of many parts, that shrink, grow, and keep one side.
  @Test("rows on several threads have the bytes of one", arguments: ResizeFilter.allCases, [1, 2, 3, 16])
  func rowsOnThreads(filter: ResizeFilter, threads: Int) {
    let budget = ThreadBudget(count: threads)
    let image = noise(width: 1203, height: 901)
    for (width, height) in [(224, 224), (1203, 97), (331, 901), (1301, 1007)] {
      let alone = image.resized(width: width, height: height, filter: filter)
      #expect(image.resized(width: width, height: height, filter: filter, sharing: budget) == alone)
      let region = PixelRegion(x: width / 5, y: height / 3, width: width / 2, height: height / 2)
      #expect(
        image.resized(width: width, height: height, filter: filter, keeping: region, sharing: budget)
          == alone.cropped(to: region))
    }
    for fitting in [ImageFitting.crop(width: 99, height: 301), .fit(longerSide: 700, patch: 14)] {
      #expect(image.fitted(fitting, filter: filter, sharing: budget) == image.fitted(fitting, filter: filter))
    }
    #expect(ShownImage(image, longerSide: 500, sharing: budget) == ShownImage(image, longerSide: 500))
  }

  @Test("pictures are turned as it says where each pixel goes", arguments: ExifOrientation.allCases)
  func turned(orientation: ExifOrientation) {
    for (width, height) in [(1, 1), (1, 5), (130, 67), (601, 403)] {
      let image = noise(width: width, height: height)
      let turns = orientation.rawValue >= 5
      let (newWidth, newHeight) = turns ? (height, width) : (width, height)
      var expected = [UInt8](repeating: 0, count: image.pixels.count)
      for y in 0..<height {
        for x in 0..<width {
          let (right, bottom) = (width - 1 - x, height - 1 - y)
          let (toX, toY) =
            switch orientation {
            case .upright: (x, y)
            case .flipHorizontally: (right, y)
            case .turnHalf: (right, bottom)
            case .flipVertically: (x, bottom)
            case .transpose: (y, x)
            case .turnClockwise: (bottom, x)
            case .transverse: (bottom, right)
            case .turnCounterclockwise: (y, right)
            }
          for channel in 0..<3 {
            expected[(toY * newWidth + toX) * 3 + channel] = image.pixels[(y * width + x) * 3 + channel]
          }
        }
      }
      let turned = RGBImage(width: newWidth, height: newHeight, pixels: expected)
      #expect(image.applying(orientation) == turned)
      for threads in [2, 3, 16] {
        #expect(image.applying(orientation, sharing: ThreadBudget(count: threads)) == turned)
      }
    }
  }

  /// Sums as they are defined, in one order.
  private func resampled(_ image: RGBImage, width: Int, height: Int, filter: ResizeFilter) -> [UInt8] {
    func sum(_ axis: FixedPointAxis, _ target: Int, _ value: (Int) -> UInt8) -> UInt8 {
      let start = target == 0 ? 0 : axis.ends[target - 1]
      let total = (start..<axis.ends[target]).reduce(1 << 21) { total, tap in
        total + Int(axis.weights[tap]) * Int(value(axis.lows[target] + tap - start))
      }
      return UInt8(min(255, max(0, total >> 22)))
    }
    let columns = FixedPointAxis(from: image.width, to: width, kept: 0..<width, filter: filter)
    let rows = FixedPointAxis(from: image.height, to: height, kept: 0..<height, filter: filter)
    let narrowed = (0..<image.height * width * 3).map { place in
      let (y, x, channel) = (place / 3 / width, place / 3 % width, place % 3)
      return sum(columns, x) { image.pixels[(y * image.width + $0) * 3 + channel] }
    }
    return (0..<height * width * 3).map { place in
      let (y, rest) = (place / (3 * width), place % (3 * width))
      return sum(rows, y) { narrowed[$0 * width * 3 + rest] }
    }
  }

  @Test("every instruction set gives the bits of the definition", arguments: ResizeFilter.allCases)
  func instructionSets(filter: ResizeFilter) {
    var random = SeededGenerator(seed: 15)
    let sets = legrad_resampling_best() == LEGRAD_RESAMPLING_PLAIN ? [0] : [0, 1]
    for (from, to) in [
      ((1, 1), (5, 7)), ((2, 3), (1, 1)), ((37, 23), (11, 9)), ((100, 3), (13, 31)), ((61, 59), (60, 58)),
      ((8, 8), (16, 4)), ((33, 40), (32, 2)), ((257, 5), (7, 5)), ((5, 257), (5, 7)),
    ] {
      // Extremes among noise, so that bicubic sums overflow a byte on both sides.
      let pixels = (0..<from.0 * from.1 * 3).map { _ -> UInt8 in
        let value = Int.random(in: -200...455, using: &random)
        return UInt8(min(255, max(0, value)))
      }
      let image = RGBImage(width: from.0, height: from.1, pixels: pixels)
      let expected = resampled(image, width: to.0, height: to.1, filter: filter)
      let whole = PixelRegion(x: 0, y: 0, width: to.0, height: to.1)
      for set in sets {
        let found = image.resized(
          width: to.0, height: to.1, filter: filter, keeping: whole, set: legrad_resampling_set(rawValue: UInt32(set)))
        #expect(found.pixels == expected, "\(from) to \(to), set \(set)")
      }
    }
  }

  @Test("keeping a region equals cropping afterwards", arguments: ResizeFilter.allCases)
  func keeping(filter: ResizeFilter) throws {
    let image = try RGBImage.decode(path: ImageFixtures.path("images/resize-source.png")).image
    for (width, height) in [(37, 23), (37, 40), (50, 23), (90, 70), (11, 13)] {
      for region in [
        PixelRegion(x: 0, y: 0, width: 1, height: 1), PixelRegion(x: width - 3, y: height - 2, width: 3, height: 2),
        PixelRegion(x: 2, y: 5, width: width - 7, height: 6), PixelRegion(x: 0, y: 4, width: width, height: 7),
      ] {
        let kept = image.resized(width: width, height: height, filter: filter, keeping: region)
        let cropped = image.resized(width: width, height: height, filter: filter).cropped(to: region)
        #expect(kept == cropped, "\(width)x\(height) \(region)")
      }
    }
  }

  @Test("a long thin picture is cropped without making the rest of it")
  func thin() {
    let image = RGBImage(width: 1, height: 300_000, pixels: Array(repeating: 77, count: 900_000))
    let fitted = image.fitted(.crop(width: 224, height: 224), filter: .bicubic)
    #expect(fitted.image == RGBImage(width: 224, height: 224, pixels: Array(repeating: 77, count: 224 * 224 * 3)))
    #expect(fitted.region == PixelRegion(x: 0, y: 150_000, width: 1, height: 1))
  }
}

@Suite struct ImageFittingTests {
  /// Column x of the picture has the value x.
  private func ramp(width: Int, height: Int) -> RGBImage {
    let row = (0..<width).flatMap { x in Array(repeating: UInt8(x), count: 3) }
    return RGBImage(width: width, height: height, pixels: (0..<height).flatMap { _ in row })
  }

  @Test(
    "centre crops start where torchvision and Hugging Face start",
    arguments: [
      (0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2), (5, 2, 2), (6, 3, 3), (7, 4, 3), (9, 4, 4), (11, 6, 5),
    ])
  func offsets(remainder: Int, even: Int, floor: Int) {
    let image = ramp(width: 10 + remainder, height: 10)
    let torchvision = image.fitted(.crop(width: 10, height: 10), filter: .bicubic)
    #expect(torchvision.image.pixels.first == UInt8(even))
    #expect(torchvision.region == PixelRegion(x: even, y: 0, width: 10, height: 10))
    let huggingFace = image.fitted(.crop(width: 10, height: 10, offset: .floor), filter: .bicubic)
    #expect(huggingFace.image.pixels.first == UInt8(floor))
    #expect(huggingFace.region.x == floor)
  }

  @Test("a crop reports its region in the original's pixels")
  func region() {
    // 200 × 100 covers 20 × 20 as 40 × 20, of which columns 10..<30 are kept.
    let wide = ramp(width: 200, height: 100).fitted(.crop(width: 20, height: 20), filter: .bilinear)
    #expect(wide.region == PixelRegion(x: 50, y: 0, width: 100, height: 100))
    // 30 × 61 covers 24 × 8 as 24 × 48 (61·24/30 = 48.8, cut), of which rows 20..<28 are kept.
    let tall = ramp(width: 30, height: 61).fitted(.crop(width: 24, height: 8), filter: .bilinear)
    #expect((tall.image.width, tall.image.height) == (24, 8))
    #expect(tall.region == PixelRegion(x: 0, y: 25, width: 30, height: 11))
  }

  @Test(
    "squash shows the whole picture and fit keeps its aspect in whole patches",
    arguments: [
      (200, 100, 96, 48), (100, 200, 48, 96), (97, 97, 96, 96), (1, 200, 8, 96), (200, 150, 96, 72), (200, 141, 96, 64),
    ])
  func fit(width: Int, height: Int, newWidth: Int, newHeight: Int) {
    let fitted = ramp(width: width, height: height).fitted(.fit(longerSide: 96, patch: 8), filter: .bicubic)
    #expect((fitted.image.width, fitted.image.height) == (newWidth, newHeight))
    #expect(fitted.region == PixelRegion(x: 0, y: 0, width: width, height: height))
    let squashed = ramp(width: width, height: height).fitted(.squash(width: 24, height: 16), filter: .bicubic)
    #expect((squashed.image.width, squashed.image.height) == (24, 16))
    #expect(squashed.region == fitted.region)
  }

  @Test("a picture of the model's size is not touched")
  func unchanged() throws {
    let image = try RGBImage.decode(path: ImageFixtures.path("images/resize-source.png")).image
    for fitting in [ImageFitting.squash(width: 37, height: 23), .crop(width: 37, height: 23)] {
      #expect(image.fitted(fitting, filter: .bicubic).image == image)
    }
  }

  @Test("normalising is planar and follows float32 step by step")
  func normalising() throws {
    let image = RGBImage(width: 2, height: 1, pixels: [0, 128, 255, 51, 1, 2])
    let mean = [0.48145466, 0.4578275, 0.40821073]
    let std = [0.26862954, 0.26130258, 0.27577711]
    let statistics = try #require(PixelStatistics(mean: mean, std: std))
    // numpy, float32 throughout.
    let expected: [Float] = [-1.7922626, -1.0477428, 0.16889732, -1.7370893, 2.145897, -1.4517797]
    #expect(image.normalised(by: statistics) == expected)
    for (exact, float) in zip(image.normalisedInDouble(by: statistics), expected) {
      #expect(abs(exact - Double(float)) < 1e-6)
    }
    #expect(image.normalisedInDouble(by: statistics)[1] == (51.0 / 255 - mean[0]) / std[0])
  }

  @Test("statistics are three finite numbers each, std above zero")
  func statistics() {
    let three = [0.5, 0.5, 0.5]
    #expect(PixelStatistics(mean: three, std: three) == .halves)
    for bad in [[0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0.5, .nan, 0.5], [.infinity, 0.5, 0.5]] {
      #expect(PixelStatistics(mean: bad, std: three) == nil && PixelStatistics(mean: three, std: bad) == nil)
    }
    #expect(
      PixelStatistics(mean: [0, 0, -1], std: three) != nil && PixelStatistics(mean: three, std: [1, 0, 1]) == nil)
  }
}
