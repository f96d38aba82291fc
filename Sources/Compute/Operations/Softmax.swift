/// `output[r][c] = exp(input[r][c] − max) / Σ exp(input[r] − max)` over each row. `output` may be `input`.
public struct Softmax<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let output: Matrix<Buffer>

  public init(input: Matrix<Buffer>, output: Matrix<Buffer>) {
    precondition(
      input.rows == output.rows && input.columns == output.columns, "softmax: \(input.shape) into \(output.shape)")
    self.input = input
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
