import ImageFiles
import Randomness
import Testing

@Suite struct MapResamplingTests {
  // PyTorch 2.13, float64: interpolate(map, mode="bilinear", align_corners=False).
  @Test(
    "enlarging equals PyTorch's",
    arguments: [
      (
        4, 6,
        [
          0.0, 0.25, 0.75, 1.75, 3.25, 4.0, 2.25, 1.75, 0.75, 1.125, 2.875, 3.75, 6.75, 4.75, 0.75, -0.125, 2.125, 3.25,
          9.0, 6.25, 0.75, -0.75, 1.75, 3.0,
        ]
      ),
      (
        5, 7,
        [
          0.0, 0.142857143, 0.571428571, 1.0, 2.285714286, 3.571428571, 4.0, 0.9, 0.871428571, 0.785714286, 0.7,
          2.071428571, 3.442857143, 3.9, 4.5, 3.785714286, 1.642857143, -0.5, 1.214285714, 2.928571429, 3.5, 8.1, 6.7,
          2.5, -1.7, 0.357142857, 2.414285714, 3.1, 9.0, 7.428571429, 2.714285714, -2.0, 0.142857143, 2.285714286, 3.0,
        ]
      ),
      (1, 2, [3.25, 2.5]),
      (2, 3, [0, 1, 4, 9, -2, 3]),
    ] as [(Int, Int, [Float])])
  func enlarge(height: Int, width: Int, expected: [Float]) {
    let map: [Float] = [0, 1, 4, 9, -2, 3]
    let enlarged = MapResampling.enlarge(map, height: 2, width: 3, toHeight: height, toWidth: width)
    #expect(enlarged.count == expected.count)
    #expect(zip(enlarged, expected).allSatisfy { abs($0 - $1) < 2e-6 })
  }

  @Test("one cell fills any size")
  func single() {
    #expect(
      MapResampling.enlarge([2.5], height: 1, width: 1, toHeight: 3, toWidth: 2) == Array(repeating: 2.5, count: 6))
  }
}

@Suite struct ColormapTests {
  private func color(_ colormap: Colormap, _ value: Float) -> [UInt8] {
    Overlay(colormap: colormap).draw(heatmap: [value], width: 1, height: 1).pixels
  }

  @Test("the maps have their published colours at the ends and in the middle")
  func ends() {
    #expect(color(.viridis, 0) == [0x44, 0x01, 0x54])
    #expect(color(.viridis, 128.0 / 255) == [0x21, 0x91, 0x8C])
    #expect(color(.viridis, 1) == [0xFD, 0xE7, 0x25])
    #expect(color(.turbo, 0) == [48, 18, 59])
    #expect(color(.turbo, 128.0 / 255) == [164, 252, 60])
    #expect(color(.turbo, 1) == [122, 4, 3])
    #expect(color(.jet, 0) == [0, 0, 128])
    #expect(color(.jet, 0.125) == [0, 1, 255])
    #expect(color(.jet, 1) == [128, 0, 0])
    #expect(color(.gray, 0.2) == [51, 51, 51])
  }

  @Test("values outside 0...1 take the nearest end and NaN the first", arguments: Colormap.allCases)
  func outside(colormap: Colormap) {
    #expect(color(colormap, -3) == color(colormap, 0))
    #expect(color(colormap, 7) == color(colormap, 1))
    #expect(color(colormap, .infinity) == color(colormap, 1))
    #expect(color(colormap, -.infinity) == color(colormap, 0))
    #expect(color(colormap, .nan) == color(colormap, 0))
  }
}

@Suite struct OverlayTests {
  private func noise(width: Int, height: Int) -> RGBImage {
    var random = SeededGenerator(seed: 5)
    return RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height * 3)).map { _ in UInt8.random(in: 0...255, using: &random) })
  }

  @Test(
    "the whole picture is covered by the enlarged map at the given share", arguments: [(13, 7), (1, 1), (2, 3), (1, 9)])
  func whole(width: Int, height: Int) {
    let image = noise(width: width, height: height)
    let map: [Float] = [0, 0.3, 1, 0.8, 0.1, 0.6]
    let overlay = Overlay(colormap: .gray, alpha: 0.6)
    let blended = overlay.blend(heatmap: map, width: 3, height: 2, over: image)
    let enlarged = MapResampling.enlarge(map, height: 2, width: 3, toHeight: height, toWidth: width)
    for index in image.pixels.indices {
      let tint = (enlarged[index / 3] * 255).rounded()
      let expected = 0.4 * Float(image.pixels[index]) + 0.6 * tint
      #expect(abs(Float(blended.pixels[index]) - expected) <= 0.51)
    }
  }

  @Test("outside the region the picture is dimmed, inside it is as if cut out")
  func region() {
    let image = noise(width: 11, height: 8)
    let region = PixelRegion(x: 3, y: 2, width: 6, height: 5)
    let map: [Float] = [0, 1, 0.5, 0.25]
    let overlay = Overlay()
    let blended = overlay.blend(heatmap: map, width: 2, height: 2, over: image, region: region)
    #expect(
      blended.cropped(to: region)
        == overlay.blend(heatmap: map, width: 2, height: 2, over: image.cropped(to: region)))
    for y in 0..<8 {
      for x in 0..<11 where !((3..<9).contains(x) && (2..<7).contains(y)) {
        let index = (y * 11 + x) * 3
        #expect(blended.pixels[index] == UInt8((Float(image.pixels[index]) * 0.4).rounded()))
      }
    }
  }

  @Test("alpha 0 leaves the picture and alpha 1 leaves the colours alone")
  func extremes() {
    let image = noise(width: 4, height: 4)
    let map: [Float] = [0.1, 0.9, 0.4, 0.7]
    #expect(Overlay(alpha: 0).blend(heatmap: map, width: 2, height: 2, over: image) == image)
    let opaque = Overlay(colormap: .turbo, alpha: 1)
    let enlarged = MapResampling.enlarge(map, height: 2, width: 2, toHeight: 4, toWidth: 4)
    #expect(
      opaque.blend(heatmap: map, width: 2, height: 2, over: image)
        == opaque.draw(heatmap: enlarged, width: 4, height: 4))
  }
}
