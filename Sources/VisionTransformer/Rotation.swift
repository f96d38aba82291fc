package import Compute
import Failures
import Glibc

/// The angles by which a tower's rotary positions turn queries and keys, on a backend.
package struct Rotation<B: Backend>: Sendable {
  let positions: RotaryPositions
  let leadingTokens: Int
  /// `[patches, head width / 2]`, as `sines`.
  @Planned private var cosines: Matrix<B.Buffer>
  @Planned private var sines: Matrix<B.Buffer>

  init(_ positions: RotaryPositions, leadingTokens: Int, patches: Int, headWidth: Int, in plan: inout WorkspacePlan<B>)
  {
    self.positions = positions
    self.leadingTokens = leadingTokens
    _cosines = plan.reserve(rows: patches, columns: headWidth / 2)
    _sines = plan.reserve(rows: patches, columns: headWidth / 2)
  }

  /// Fills in the angles of a grid, computed in float64.
  func prepare(_ grid: Grid, on backend: B) throws(BackendError) {
    let angles = positions.angles(of: grid, pairs: cosines.columns)
    let (cosineValues, sineValues) = (angles.map { Float(cos($0)) }, angles.map { Float(sin($0)) })
    try backend.upload(cosineValues.span, to: cosines)
    try backend.upload(sineValues.span, to: sines)
  }

  /// Turns queries and keys, or their gradients back, where they lie beside the values.
  func turn(
    _ queriesKeysValues: Matrix<B.Buffer>, heads: Int, back: Bool = false, on backend: B
  ) throws(BackendError) {
    try backend.rotate(
      Rotate(
        queriesKeysValues.columns(0..<queriesKeysValues.columns / 3 * 2), heads: 2 * heads,
        tokens: leadingTokens + cosines.rows, leadingRows: leadingTokens, cosines: cosines, sines: sines,
        pairing: positions.pairing, turnsBack: back))
  }
}

extension RotaryPositions {
  /// The angles of every patch, `[patches, pairs]`, patches row by row.
  package func angles(of grid: Grid, pairs: Int) -> [Double] {
    let bands = pairs / 2
    let steps = (0..<bands).map { pow(theta, -Double($0) / Double(bands)) }
    var angles: [Double] = []
    angles.reserveCapacity(grid.count * pairs)
    for row in 0..<grid.height {
      for column in 0..<grid.width {
        switch kind {
        case .centres:
          for (number, side) in [(row, grid.height), (column, grid.width)] {
            let centre = 2 * (Double(number) + 0.5) / Double(side) - 1
            angles += steps.map { 2 * Double.pi * centre * $0 }
          }
        case .numbers(let offset, let referenceHeight, let referenceWidth, let columnFirst):
          let y = Double(row + offset) / Double(grid.height) * Double(referenceHeight)
          let x = Double(column + offset) / Double(grid.width) * Double(referenceWidth)
          for place in columnFirst ? [x, y] : [y, x] { angles += steps.map { place * $0 } }
        }
      }
    }
    return angles
  }
}
