/// A row-major matrix of the oracle.
public struct DoubleMatrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  public var values: [Double]

  public init(rows: Int, columns: Int, values: [Double]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows)×\(columns)")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  public init(rows: Int, columns: Int, repeating value: Double = 0) {
    self.init(rows: rows, columns: columns, values: [Double](repeating: value, count: rows * columns))
  }

  /// Normally distributed values.
  public static func random(_ rows: Int, _ columns: Int, seed: UInt64, deviation: Double = 1) -> DoubleMatrix {
    var random = SeededRandom(seed: seed)
    var matrix = DoubleMatrix(rows: rows, columns: columns)
    for index in matrix.values.indices { matrix.values[index] = deviation * random.normal() }
    return matrix
  }

  public subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  public func row(_ row: Int) -> ArraySlice<Double> { values[row * columns..<(row + 1) * columns] }

  public func columns(_ range: Range<Int>) -> DoubleMatrix {
    var part = DoubleMatrix(rows: rows, columns: range.count)
    for row in 0..<rows {
      for column in range { part[row, column - range.lowerBound] = self[row, column] }
    }
    return part
  }

  /// Rows and columns exchanged.
  public var transposed: DoubleMatrix {
    var result = DoubleMatrix(rows: columns, columns: rows)
    for row in 0..<rows {
      for column in 0..<columns { result[column, row] = self[row, column] }
    }
    return result
  }

  /// Every element mapped by itself.
  public func map(_ transform: (Double) -> Double) -> DoubleMatrix {
    DoubleMatrix(rows: rows, columns: columns, values: values.map(transform))
  }

  public static func + (left: DoubleMatrix, right: DoubleMatrix) -> DoubleMatrix {
    precondition(left.rows == right.rows && left.columns == right.columns)
    return DoubleMatrix(
      rows: left.rows, columns: left.columns, values: zip(left.values, right.values).map { $0.0 + $0.1 })
  }
}

/// `Σ_k a[k · aStep] · b[k · bStep]` over `count` terms: the inner loop of the oracle's products, on raw memory
/// because tests run without optimisation.
func dot(
  _ a: UnsafePointer<Double>, step aStep: Int, _ b: UnsafePointer<Double>, step bStep: Int, count: Int
) -> Double {
  var sum = 0.0
  var k = 0
  while k < count {
    sum += unsafe a[k * aStep] * b[k * bStep]
    k += 1
  }
  return sum
}
