/// `output[r] = input[r] + addend[r % addend.rows]`. `output` may be `input`. Float32 or float64.
public struct AddRows<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let addend: Matrix<Buffer>
  public let output: Matrix<Buffer>

  public init(input: Matrix<Buffer>, addend: Matrix<Buffer>, output: Matrix<Buffer>) {
    precondition(
      input.rows == output.rows && input.columns == output.columns && addend.columns == output.columns,
      "addRows: \(input.shape) plus \(addend.shape) into \(output.shape)")
    self.input = input
    self.addend = addend
    self.output = output
  }
}
