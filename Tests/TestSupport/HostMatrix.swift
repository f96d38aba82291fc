public import Compute

/// A row-major float32 matrix in host memory: what tests give to a backend and get back.
public struct HostMatrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  public var values: [Float]

  public init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows)×\(columns)")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  public init(rows: Int, columns: Int, repeating value: Float) {
    self.init(rows: rows, columns: columns, values: [Float](repeating: value, count: rows * columns))
  }

  /// Normally distributed values.
  public static func random(
    _ rows: Int, _ columns: Int, seed: UInt64, mean: Double = 0, deviation: Double = 1
  ) -> HostMatrix {
    var random = SeededRandom(seed: seed)
    var values = [Float](repeating: 0, count: rows * columns)
    for index in values.indices { values[index] = Float(mean + deviation * random.normal()) }
    return HostMatrix(rows: rows, columns: columns, values: values)
  }

  public subscript(row: Int, column: Int) -> Float {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  public func rows(_ range: Range<Int>) -> HostMatrix {
    HostMatrix(
      rows: range.count, columns: columns,
      values: Array(values[range.lowerBound * columns..<range.upperBound * columns]))
  }

  public func columns(_ range: Range<Int>) -> HostMatrix {
    var part = HostMatrix(rows: rows, columns: range.count, repeating: 0)
    for row in 0..<rows {
      for column in range { part[row, column - range.lowerBound] = self[row, column] }
    }
    return part
  }

  /// The same values in Double.
  public var doubles: DoubleMatrix { DoubleMatrix(rows: rows, columns: columns, values: values.map(Double.init)) }

  /// A new matrix of the backend with these values.
  public func upload<B: Backend>(to backend: B) throws -> Matrix<B.Buffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.upload(values.span, to: matrix)
    return matrix
  }

  /// What a matrix of the backend holds.
  public static func download<B: Backend>(_ matrix: Matrix<B.Buffer>, from backend: B) throws -> HostMatrix {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    var span = values.mutableSpan
    try backend.download(matrix, into: &span)
    return HostMatrix(rows: matrix.rows, columns: matrix.columns, values: values)
  }

  /// This matrix as a weight of the backend.
  public func prepare<B: Backend>(on backend: B, group: WeightGroup? = nil) throws -> B.Weight {
    try backend.prepare(values.span, rows: rows, columns: columns, group: group)
  }

  /// Matrices of as many columns, one over the other.
  public init(stacking parts: [HostMatrix]) {
    self.init(
      rows: parts.reduce(0) { $0 + $1.rows }, columns: parts[0].columns, values: parts.flatMap(\.values))
  }
}
