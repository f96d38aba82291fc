import Foundation
import Randomness
import TestSupport
import Testing

@testable import ImageFiles

@Suite struct EncodingTests {
  private func noise(_ count: Int, seed: UInt64 = 9) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  /// libpng reads what libdeflate has packed.
  @Test(arguments: [(1, 1), (1, 9), (7, 1), (13, 5), (300, 211), (2, 1_000)]) func pngKeepsEveryPixel(
    width: Int, height: Int
  ) throws {
    let random = RGBImage(width: width, height: height, pixels: noise(width * height * 3))
    let flat = RGBImage(width: width, height: height, pixels: Array(repeating: 255, count: width * height * 3))
    let ramp = RGBImage(
      width: width, height: height, pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 / 7) })
    for image in [random, flat, ramp] { #expect(try RGBImage.decode(bytes: image.pngBytes()).image == image) }
    let grey = noise(width * height, seed: 2)
    let encoded = try PNGEncoder.encode(pixels: grey, width: width, height: height, channels: .grey)
    #expect(try RGBImage.decode(bytes: encoded).image.pixels == grey.flatMap { [$0, $0, $0] })
  }

  @Test func jpegIsCloseToThePicture() throws {
    let (width, height) = (67, 45)
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width { pixels += [UInt8(3 * x), UInt8(5 * y), UInt8(x + y)] }
    }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    let decoded = try RGBImage.decode(bytes: image.jpegBytes())
    #expect(decoded.format == .jpeg && decoded.remark == nil)
    #expect((decoded.image.width, decoded.image.height) == (width, height))
    let errors: [Int] = zip(decoded.image.pixels, image.pixels).map { abs(Int($0) - Int($1)) }
    #expect(errors.max() ?? 0 < 24)
    #expect(errors.reduce(0, +) < 2 * errors.count)
  }

  @Test func whatAFileTakesIsSeenInItsHeader() throws {
    for name in ["preprocess/photo.jpg", "clip/inputs/image_32x32.png"] {
      let bytes = Array(try Data(contentsOf: URL(filePath: Fixtures.path(name))))
      #expect(PictureFile.pixelBytes(bytes) == (try RGBImage.decode(bytes: bytes).image.pixels.count))
      // Cut anywhere, it is a number or none.
      for count in 0..<min(600, bytes.count) { #expect(PictureFile.pixelBytes(Array(bytes[..<count])) >= 0) }
      let file = try PictureFile(path: Fixtures.path(name))
      let decoded = try file.decode(pixelLimit: 1 << 20, applyOrientation: false)
      #expect(decoded == (try RGBImage.decode(path: Fixtures.path(name))))
      #expect(file.bytesToDecode >= decoded.image.pixels.count)
    }
    #expect(PictureFile.pixelBytes(Array(repeating: 0xFF, count: 50)) == 500)
    #expect(PictureFile.pixelBytes([0xFF, 0xD8] + Array(repeating: 0xFF, count: 50)) == 0)
  }
}

@Suite struct ShownImageTests {
  @Test(arguments: [
    (4000, 3000, 2048, 2048, 1536), (3000, 4000, 2048, 1536, 2048), (100, 60, 2048, 100, 60), (5000, 1, 100, 100, 1),
    (7, 5, 3, 3, 2), (5, 5, 5, 5, 5),
  ]) func sizes(width: Int, height: Int, side: Int, shownWidth: Int, shownHeight: Int) {
    #expect(ShownImage.size(width: width, height: height, longerSide: side) == (shownWidth, shownHeight))
  }

  /// Against the formula in Double: a pixel's middle in the original picture, from there in the heatmap.
  @Test(arguments: [
    (61, 47, 20, PixelRegion(x: 0, y: 0, width: 61, height: 47)),
    (61, 47, 20, PixelRegion(x: 9, y: 4, width: 40, height: 31)),
    (50, 80, 33, PixelRegion(x: -6, y: -3, width: 70, height: 90)),
    (40, 40, 40, PixelRegion(x: 3, y: 7, width: 11, height: 2)),
    (64, 64, 8, PixelRegion(x: 33, y: 17, width: 2, height: 2)),
  ]) func overlaysOfShownPictures(width: Int, height: Int, side: Int, region: PixelRegion) {
    var random = SeededGenerator(seed: 4)
    let picture = RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) })
    let shown = ShownImage(picture, longerSide: side)
    let size = ShownImage.size(width: width, height: height, longerSide: side)
    #expect(shown.image == picture.resized(width: size.width, height: size.height, filter: .bilinear))
    let map: [Float] = [0, 0.4, 1, 0.7, 0.2, 0.9]
    let overlay = Overlay(colormap: .gray, alpha: 0.5).blend(
      heatmap: map, width: 3, height: 2, over: shown, region: region)
    func cells(_ pixel: Int, _ count: Int, _ original: Int, _ start: Int, _ length: Int, _ cells: Int) -> (
      Int, Int, Double
    )? {
      let scale = Double(original) / Double(count)
      let centre: Double = (Double(pixel) + 0.5) * scale - Double(start)
      guard centre >= 0, centre < Double(length) else { return nil }
      let position = max(0, centre * Double(cells) / Double(length) - 0.5)
      let low = min(Int(position), cells - 1)
      return (low, min(low + 1, cells - 1), position - Double(low))
    }
    var covered = 0
    for y in 0..<size.height {
      for x in 0..<size.width {
        let index = (y * size.width + x) * 3
        let pixel = Double(shown.image.pixels[index])
        guard let column = cells(x, size.width, width, region.x, region.width, 3),
          let row = cells(y, size.height, height, region.y, region.height, 2)
        else {
          // A region without a pixel's middle has the pixel that it lies in.
          if side != 8 { #expect(abs(Double(overlay.pixels[index]) - 0.4 * pixel) <= 0.51) }
          continue
        }
        covered += 1
        func value(_ y: Int) -> Double {
          let (left, right) = (Double(map[y * 3 + column.0]), Double(map[y * 3 + column.1]))
          return left * (1 - column.2) + right * column.2
        }
        let heat: Double = value(row.0) * (1 - row.2) + value(row.1) * row.2
        let expected: Double = 0.5 * pixel + 127.5 * heat
        // The colour and the mixture are rounded.
        #expect(abs(Double(overlay.pixels[index]) - expected) <= 0.8)
      }
    }
    #expect(covered > 0 || side == 8)
  }
}
