/// `output[g] = mean of input rows g·rowsPerGroup ..< (g+1)·rowsPerGroup`, added in ascending order of rows.
public struct MeanRows<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let rowsPerGroup: Int
  public let output: Matrix<Buffer>

  public init(input: Matrix<Buffer>, rowsPerGroup: Int, output: Matrix<Buffer>) {
    precondition(
      rowsPerGroup > 0 && input.rows == output.rows * rowsPerGroup && input.columns == output.columns,
      "meanRows: groups of \(rowsPerGroup) of \(input.shape) into \(output.shape)")
    self.input = input
    self.rowsPerGroup = rowsPerGroup
    self.output = output
  }
}
