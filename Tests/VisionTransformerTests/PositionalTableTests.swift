import Testing
import VisionTransformer

@Suite struct PositionalTableTests {
  struct Case: Sendable {
    let grid: (height: Int, width: Int)
    let width: Int
    let new: (height: Int, width: Int)
    let expected: [Double]
  }

  // PyTorch 2.13, float64: interpolate(table, size, mode="bicubic", antialias=True, align_corners=False).
  static let cases = [
    Case(
      grid: (2, 3), width: 2, new: (3, 4),
      expected: [
        -0.453989451, 0.919523622, 1.228289386, -0.706012576, 1.418320122, -0.51598184, -0.003029963, 1.370483111,
        -1.262260128, -0.01119403, 0.420018709, 0.119270346, 0.610049445, 0.309301082, -0.81130064, 0.439765458,
        -2.070530805, -0.941911682, -0.388251968, 0.944553268, -0.198221231, 1.134584004, -1.619571316, -0.490952194,
      ]),
    Case(
      grid: (5, 4), width: 1, new: (2, 3),
      expected: [0.349869743, 0.420440266, -0.799509136, 0.942366279, -0.277583123, -0.2070126]),
    Case(grid: (3, 3), width: 2, new: (1, 1), expected: [-0.064812314, 0.200918174]),
    Case(
      grid: (1, 1), width: 3, new: (2, 2),
      expected: Array(repeating: [-0.428571429, 0.714285714, 1.857142857], count: 4).flatMap { $0 }),
    Case(
      grid: (3, 7), width: 1, new: (7, 2),
      expected: [
        0.498339314, -0.23251479, 0.428586711, -0.104311454, 0.268856488, 0.219961428, 0.082958271, 0.492137578,
        -0.068075607, 0.410247001, -0.178995756, 0.238826464, -0.230228542, 0.178950765,
      ]),
  ]

  private func table(_ count: Int) -> [Double] {
    (0..<count).map { Double(($0 * 37 + 11) % 29) / 7 - 2 }
  }

  @Test("resampling equals PyTorch's", arguments: cases.indices)
  func resample(index: Int) {
    let item = Self.cases[index]
    let start = table(item.grid.height * item.grid.width * item.width)
    let exact = PositionalTable.resample(
      start, from: Grid(height: item.grid.height, width: item.grid.width), width: item.width,
      to: Grid(height: item.new.height, width: item.new.width))
    #expect(exact.count == item.expected.count)
    #expect(zip(exact, item.expected).allSatisfy { abs($0 - $1) < 1e-9 })
    let single = PositionalTable.resample(
      start.map { Float($0) }, from: Grid(height: item.grid.height, width: item.grid.width), width: item.width,
      to: Grid(height: item.new.height, width: item.new.width))
    #expect(zip(single, item.expected).allSatisfy { abs(Double($0) - $1) < 1e-6 })
  }

  @Test("the same grid gives the same numbers, and a constant table stays constant")
  func trivial() {
    let start = table(5 * 7 * 3)
    #expect(
      PositionalTable.resample(start, from: Grid(height: 5, width: 7), width: 3, to: Grid(height: 5, width: 7)) == start
    )
    let constant = PositionalTable.resample(
      Array(repeating: 0.75, count: 14 * 14 * 2), from: Grid(height: 14, width: 14), width: 2,
      to: Grid(height: 28, width: 9))
    #expect(constant.count == 28 * 9 * 2)
    #expect(constant.allSatisfy { abs($0 - 0.75) < 1e-14 })
  }
}
