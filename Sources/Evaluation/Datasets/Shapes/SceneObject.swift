/// What the bundled model was trained to name, in the order of its training script.
enum SceneShape: Int, CaseIterable, Sendable {
  case circle, square, triangle, star, ring, cross, diamond, crescent

  /// The signed distance in pixels from the outline of a shape of radius `r`, negative inside; `x` to the right and `y`
  /// down from its centre. Not exactly a distance away from the outline, as in the training script.
  func distance(x: Double, y: Double, radius r: Double) -> Double {
    switch self {
    case .circle: return length(x, y) - r
    case .square: return max(abs(x), abs(y)) - 0.86 * r
    case .triangle: return max(y - 0.6 * r, 0.866 * abs(x) - 0.5 * y - 0.55 * r)
    case .star: return Self.star(x, y) - 0.98 * r
    case .ring: return abs(length(x, y) - 0.78 * r) - 0.24 * r
    case .cross: return min(max(abs(x) - 0.3 * r, abs(y) - r), max(abs(y) - 0.3 * r, abs(x) - r))
    case .diamond: return (abs(x) * 1.25 + abs(y) - 1.08 * r) * 0.7
    case .crescent: return max(length(x, y) - r, 0.85 * r - length(x - 0.55 * r, y))
    }
  }

  /// How far along and beside the axis of the nearest of five tips, the first of which points up.
  private static func star(_ x: Double, _ y: Double) -> Double {
    var (along, beside) = (-Double.infinity, 0.0)
    for (axisX, axisY) in tips where x * axisX + y * axisY > along {
      along = x * axisX + y * axisY
      beside = abs(x * axisY - y * axisX)
    }
    return along * 1.15 + beside * 1.1
  }

  /// `(sin, −cos)` of multiples of 72°, written out: sines of the system's library differ between machines.
  private static let tips: [(Double, Double)] = [
    (0, -1), (0.9510565162951535, -0.30901699437494745), (0.5877852522924731, 0.8090169943749475),
    (-0.5877852522924731, 0.8090169943749475), (-0.9510565162951535, -0.30901699437494745),
  ]

  private func length(_ x: Double, _ y: Double) -> Double { (x * x + y * y).squareRoot() }
}

/// Colours of objects, in the order of the training script.
enum SceneColour: Int, CaseIterable, Sendable {
  case red, green, blue, yellow, orange, purple, white, black

  /// Red, green and blue in [0, 1].
  var components: [Double] {
    let bytes: [Double] =
      switch self {
      case .red: [220, 40, 40]
      case .green: [40, 170, 60]
      case .blue: [50, 80, 220]
      case .yellow: [240, 210, 40]
      case .orange: [245, 130, 30]
      case .purple: [140, 60, 180]
      case .white: [245, 245, 245]
      case .black: [20, 20, 20]
      }
    return bytes.map { $0 / 255 }
  }
}

struct SceneObject: Sendable {
  let shape: SceneShape
  let colour: SceneColour
  /// The centre, in pixels.
  let x: Double
  let y: Double
  let radius: Double
  /// Cosine and sine of the angle that it is turned by.
  let turn: (cosine: Double, sine: Double)
  /// Its colour, off by a little.
  let tint: [Double]

  /// How much of the pixel in column `column` and row `row` it covers, from 0 to 1.
  func coverage(column: Int, row: Int) -> Double {
    let (dx, dy) = (Double(column) + 0.5 - x, Double(row) + 0.5 - y)
    let distance = shape.distance(
      x: dx * turn.cosine + dy * turn.sine, y: dy * turn.cosine - dx * turn.sine, radius: radius)
    return min(max(0.5 - distance, 0), 1)
  }

  /// The number of its class in `classNames`.
  var classIndex: Int { colour.rawValue * SceneShape.allCases.count + shape.rawValue }

  static let kinds: [(SceneColour, SceneShape)] = SceneColour.allCases.flatMap { colour in
    SceneShape.allCases.map { (colour, $0) }
  }

  /// Such as `red circle`.
  static let classNames: [String] = kinds.map { "\($0.0) \($0.1)" }
}
