/// A product of parts of two matrices that are not weights, float64 alone; `Matmul` is the one with a prepared weight:
///
///     output[r][c] = factor · scale[r % scale.rows][c] · Σ_k left[r][k] · right[k][c] + bias[c]
///
/// or added to what `output` holds where the product `accumulates`. `scale` and `bias` are optional. An operand may be
/// read from its other side, and in part: the values of the other sign count as zero, which is how relevance
/// propagation splits a layer. Each element is summed over `k` in ascending order. `output` overlaps no operand.
public struct PartProduct<Buffer: Sendable>: Sendable {
  /// Which values of an operand count.
  public enum Part: Sendable, CaseIterable {
    case all
    /// `max(x, 0)`.
    case positive
    /// `min(x, 0)`.
    case negative
  }

  /// A matrix as a product reads it.
  public struct Operand: Sendable {
    public let matrix: Matrix<Buffer>
    public let part: Part
    /// Element `(r, c)` is the matrix's `(c, r)`.
    public let isTransposed: Bool

    public init(_ matrix: Matrix<Buffer>, _ part: Part = .all, transposed: Bool = false) {
      self.matrix = matrix
      self.part = part
      isTransposed = transposed
    }

    public var rows: Int { isTransposed ? matrix.columns : matrix.rows }
    public var columns: Int { isTransposed ? matrix.rows : matrix.columns }
  }

  public let left: Operand
  public let right: Operand
  public let factor: Double
  /// Read from its own side.
  public let scale: Operand?
  public let bias: Matrix<Buffer>?
  public let accumulates: Bool
  public let output: Matrix<Buffer>

  public init(
    _ left: Operand, _ right: Operand, factor: Double = 1, scale: Operand? = nil, bias: Matrix<Buffer>? = nil,
    accumulates: Bool = false, output: Matrix<Buffer>
  ) {
    precondition(
      left.columns == right.rows && output.rows == left.rows && output.columns == right.columns,
      "partProduct: \(left.rows)×\(left.columns) and \(right.rows)×\(right.columns) into \(output.shape)")
    precondition(
      scale.map { $0.columns == output.columns && output.rows % $0.rows == 0 && !$0.isTransposed } ?? true
        && bias.map { $0.rows == 1 && $0.columns == output.columns } ?? true,
      "partProduct: \(scale?.matrix.shape ?? "no") scale and \(bias?.shape ?? "no") bias for \(output.shape)")
    self.left = left
    self.right = right
    self.factor = factor
    self.scale = scale
    self.bias = bias
    self.accumulates = accumulates
    self.output = output
  }

  /// Elements of one sum.
  public var inner: Int { left.columns }
}
