/// A row-major float64 matrix in host memory.
public struct Float64Matrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  public var values: [Double]

  public init(rows: Int, columns: Int, values: [Double]) {
    precondition(
      rows > 0 && columns > 0 && values.count == rows * columns,
      "\(values.count) values for a \(rows)×\(columns) float64 matrix")
    self.rows = rows
    self.columns = columns
    self.values = values
  }
}

/// A product in float64, for what float32 cannot compute: relevance propagation divides by sums close to zero, and turns
/// the last bits of its operands into percents.
///
/// With `right` as `[inner, columns]`, `left · right`; with `rightIsTransposed` and `right` as `[columns, inner]`,
/// `left · rightᵀ`, the forward of a Linear layer. Each element is summed over the inner dimension in ascending order.
/// Unlike the other operations it takes and gives host memory, and is done when it returns: its speed is no goal.
public struct Float64Product: Sendable {
  public let left: Float64Matrix
  public let right: Float64Matrix
  public let rightIsTransposed: Bool

  public init(_ left: Float64Matrix, _ right: Float64Matrix, rightIsTransposed: Bool) {
    precondition(
      left.columns == (rightIsTransposed ? right.columns : right.rows),
      "float64 product of \(left.rows)×\(left.columns) and \(right.rows)×\(right.columns)")
    self.left = left
    self.right = right
    self.rightIsTransposed = rightIsTransposed
  }

  public var columns: Int { rightIsTransposed ? right.rows : right.columns }
}
