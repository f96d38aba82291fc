/// One row of weights on the tokens, carried through a block's attention without storing a map:
/// `output[r] = factor · (row[r] + row[r] · M)`.
///
/// With `A_h` the attention map of head `h` for the image of row `r`, `M_ij = 1/heads · Σ_h A_hij`; with `gradient`,
/// `M_ij = 1/heads · Σ_h max(0, A_hij · (dO_hi · v_hj))`, `dO` the gradient at the attention's output for row `r`: the
/// second factor is the map's own gradient. Products of such matrices over blocks, of which one row is wanted, are rows
/// carried through block after block (methods §2.2, §2.4).
///
/// `row` and `output` are `[images · prompts, tokens]`, `queries` and `keys` `[images · tokens, width]`. The sums over
/// queries and heads have a fixed order. `output` overlaps nothing.
public struct RowThroughMap<Buffer: Sendable>: Sendable {
  public struct Gradient: Sendable {
    /// `[images · prompts · tokens, width]`.
    public let output: Matrix<Buffer>
    /// `[images · tokens, width]`.
    public let values: Matrix<Buffer>

    public init(output: Matrix<Buffer>, values: Matrix<Buffer>) {
      self.output = output
      self.values = values
    }
  }

  public let row: Matrix<Buffer>
  public let queries: Matrix<Buffer>
  public let keys: Matrix<Buffer>
  public let gradient: Gradient?
  public let heads: Int
  public let stack: RowStack
  public let factor: Float
  public let output: Matrix<Buffer>

  public init(
    row: Matrix<Buffer>, queries: Matrix<Buffer>, keys: Matrix<Buffer>, gradient: Gradient? = nil, heads: Int,
    stack: RowStack, factor: Float, output: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && queries.columns % heads == 0 && queries.rows == keys.rows && queries.columns == keys.columns
        && queries.rows % stack.rows == 0 && row.columns == stack.rows && output.columns == stack.rows
        && row.rows == output.rows && row.rows == queries.rows / stack.rows * stack.copies
        && (gradient.map {
          $0.values.rows == queries.rows && $0.values.columns == queries.columns
            && $0.output.rows == row.rows * stack.rows && $0.output.columns == queries.columns
        } ?? true),
      "rowThroughMap: row \(row.shape), queries \(queries.shape), keys \(keys.shape), output \(output.shape), "
        + "\(heads) heads, \(stack)")
    self.row = row
    self.queries = queries
    self.keys = keys
    self.gradient = gradient
    self.heads = heads
    self.stack = stack
    self.factor = factor
    self.output = output
  }
}
