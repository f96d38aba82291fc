import ImageFiles
import Randomness

/// A drawing of coloured shapes on a greyish, textured ground, as the bundled model was trained on, with the exact mask
/// of one of them.
///
/// Drawn in float64 with nothing but the operations that IEEE 754 rounds correctly, so that a seed gives the same
/// pixels on every machine.
struct ShapeScene: Sendable {
  /// Which drawing this is: another number as soon as a seed gives other pixels, masks or points.
  static let drawing = 1

  /// Pixels of a side: what the bundled model sees.
  static let side = 96

  /// The object that is asked for last: nothing covers it.
  let objects: [SceneObject]
  let image: RGBImage
  /// 1 where more than half of the pixel is the target's, else 0; row by row.
  let mask: [UInt8]

  var target: SceneObject { objects[objects.count - 1] }

  /// Draws `count` objects, each in a quarter of its own; no other has both the target's colour and its shape.
  init(seed: UInt64, objects count: Int) {
    var random = SeededGenerator(seed: seed)
    objects = Self.objects(count, using: &random)
    var canvas = Self.ground(using: &random)
    mask = Self.draw(objects, on: &canvas)
    image = RGBImage(
      width: Self.side, height: Self.side, pixels: canvas.map { UInt8((min(max($0, 0), 1) * 255).rounded()) })
  }

  /// The target of the scene that `init` draws, without drawing it.
  static func target(seed: UInt64, objects count: Int) -> SceneObject {
    var random = SeededGenerator(seed: seed)
    let objects = objects(count, using: &random)
    return objects[count - 1]
  }

  private static func objects(_ count: Int, using random: inout SeededGenerator) -> [SceneObject] {
    var quarters = [0, 1, 2, 3]
    for last in stride(from: 3, to: 0, by: -1) { quarters.swapAt(last, random.below(last + 1)) }
    let classes = SceneObject.classNames.count
    let target = random.below(classes)
    var objects: [SceneObject] = []
    for number in 0..<count {
      var classIndex = target
      while number < count - 1, classIndex == target { classIndex = random.below(classes) }
      objects.append(object(classIndex, quarter: quarters[number], using: &random))
    }
    return objects
  }

  private static func object(_ classIndex: Int, quarter: Int, using random: inout SeededGenerator) -> SceneObject {
    let (colour, shape) = SceneObject.kinds[classIndex]
    let cell = Double(side) / 2
    let radius = 9 + random.uniform() * 12
    let slack = max(2, cell / 2 - radius * 0.75)
    // Half the angle's tangent, so that cosine and sine are quotients: up to 0.35 either way.
    let half = (random.uniform() - 0.5) * 0.354
    let square = half * half
    return SceneObject(
      shape: shape, colour: colour,
      x: Double(quarter % 2) * cell + cell / 2 + (random.uniform() * 2 - 1) * slack,
      y: Double(quarter / 2) * cell + cell / 2 + (random.uniform() * 2 - 1) * slack, radius: radius,
      turn: ((1 - square) / (1 + square), 2 * half / (1 + square)),
      tint: colour.components.map { $0 + (random.uniform() - 0.5) * 0.12 })
  }

  /// A grey with a slope, soft blotches and grain, `[side, side, 3]`.
  private static func ground(using random: inout SeededGenerator) -> [Double] {
    let grey = random.uniform() * 0.5 + 0.25
    let base = (0..<3).map { _ in grey + (random.uniform() - 0.5) * 0.16 }
    let slope = (random.uniform() - 0.5) * 0.5
    let (right, down) = direction(using: &random)
    let blotches = SoftNoise(using: &random)
    let blotchStrength = random.uniform() * 0.3
    let grain = random.uniform() * 0.12
    var canvas: [Double] = []
    canvas.reserveCapacity(side * side * 3)
    let middle = Double(side) / 2
    for row in 0..<side {
      let vertical = (Double(row) + 0.5 - middle) * down
      for column in 0..<side {
        let ramp = ((Double(column) + 0.5 - middle) * right + vertical) / Double(side)
        let shared = ramp * slope + blotches.values[row * side + column] * blotchStrength
        for channel in 0..<3 { canvas.append(base[channel] + shared + (random.uniform() - 0.5) * grain) }
      }
    }
    return canvas
  }

  /// A unit vector, from a point of the disc: no sine is asked.
  private static func direction(using random: inout SeededGenerator) -> (Double, Double) {
    while true {
      let (x, y) = (random.uniform() * 2 - 1, random.uniform() * 2 - 1)
      let square = x * x + y * y
      guard square > 0.01, square <= 1 else { continue }
      let length = square.squareRoot()
      return (x / length, y / length)
    }
  }

  /// - Returns: the mask of the last object.
  private static func draw(_ objects: [SceneObject], on canvas: inout [Double]) -> [UInt8] {
    var mask = [UInt8](repeating: 0, count: side * side)
    for (number, object) in objects.enumerated() {
      for row in 0..<side {
        for column in 0..<side {
          let coverage = object.coverage(column: column, row: row)
          guard coverage > 0 else { continue }
          let pixel = row * side + column
          for channel in 0..<3 {
            let index = pixel * 3 + channel
            canvas[index] = canvas[index] * (1 - coverage) + object.tint[channel] * coverage
          }
          if number == objects.count - 1, coverage > 0.5 { mask[pixel] = 1 }
        }
      }
    }
    return mask
  }
}

/// Twelve by twelve random heights, interpolated by cubics (a = −0.75) to the pixels of a scene.
private struct SoftNoise {
  private static let cells = 12
  /// `[side, side]`.
  let values: [Double]

  init(using random: inout SeededGenerator) {
    let (cells, side) = (Self.cells, ShapeScene.side)
    let heights = (0..<cells * cells).map { _ in
      (random.uniform() + random.uniform() + random.uniform()) / 3 - 0.5
    }
    let taps = (0..<side).map { Self.taps(at: (Double($0) + 0.5) * Double(cells) / Double(side) - 0.5) }
    // Along the rows first, then down the columns.
    var narrow = [Double](repeating: 0, count: cells * side)
    for row in 0..<cells {
      for (column, taps) in taps.enumerated() {
        narrow[row * side + column] = taps.reduce(0) { $0 + $1.weight * heights[row * cells + $1.cell] }
      }
    }
    var values = [Double](repeating: 0, count: side * side)
    for (row, taps) in taps.enumerated() {
      for column in 0..<side {
        values[row * side + column] = taps.reduce(0) { $0 + $1.weight * narrow[$1.cell * side + column] }
      }
    }
    self.values = values
  }

  private static func taps(at position: Double) -> [(cell: Int, weight: Double)] {
    let first = position.rounded(.down)
    return (-1...2).map { offset in
      let cell = min(max(Int(first) + offset, 0), cells - 1)
      return (cell, weight(abs(position - first - Double(offset))))
    }
  }

  private static func weight(_ d: Double) -> Double {
    let a = -0.75
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
  }
}
