/// `output[r][c] = exp(factor · (input[r][c] − max)) / Σ exp(factor · (input[r] − max))` over each row, `max` the row's
/// largest, `factor` above zero. `output` may be `input`. Float32 or float64.
public struct Softmax<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let factor: Double
  public let output: Matrix<Buffer>

  public init(input: Matrix<Buffer>, factor: Double = 1, output: Matrix<Buffer>) {
    precondition(
      input.rows == output.rows && input.columns == output.columns && factor > 0,
      "softmax: \(input.shape) by \(factor) into \(output.shape)")
    self.input = input
    self.factor = factor
    self.output = output
  }
}

/// The gradient of a softmax's input from its output: `gradient = output ⊙ (upstream − Σ(upstream ⊙ output))`
/// over each row. `gradient` may be `upstream`.
public struct SoftmaxBackward<Buffer: Sendable>: Sendable {
  public let upstream: Matrix<Buffer>
  public let output: Matrix<Buffer>
  public let gradient: Matrix<Buffer>

  public init(upstream: Matrix<Buffer>, output: Matrix<Buffer>, gradient: Matrix<Buffer>) {
    precondition(
      upstream.rows == output.rows && upstream.columns == output.columns && gradient.rows == output.rows
        && gradient.columns == output.columns,
      "softmaxBackward: upstream \(upstream.shape), output \(output.shape), gradient \(gradient.shape)")
    self.upstream = upstream
    self.output = output
    self.gradient = gradient
  }
}
