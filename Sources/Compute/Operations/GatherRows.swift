/// `output[r] = source[rowNumbers[r]]`.
public struct GatherRows<Buffer: Sendable>: Sendable {
  public let source: Matrix<Buffer>
  public let rowNumbers: [Int]
  public let output: Matrix<Buffer>

  public init(source: Matrix<Buffer>, rowNumbers: [Int], output: Matrix<Buffer>) {
    precondition(
      source.columns == output.columns && rowNumbers.count == output.rows,
      "gatherRows: \(rowNumbers.count) rows of \(source.shape) into \(output.shape)")
    precondition(
      rowNumbers.allSatisfy { $0 >= 0 && $0 < source.rows }, "gatherRows: a row number outside \(source.shape)")
    self.source = source
    self.rowNumbers = rowNumbers
    self.output = output
  }
}
