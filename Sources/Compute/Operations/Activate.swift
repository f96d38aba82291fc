/// `output = φ(input)`, and `derivative = φ'(input)` if given. `output` may be `input`. Float32 or float64.
public struct Activate<Buffer: Sendable>: Sendable {
  public let activation: Activation
  public let input: Matrix<Buffer>
  public let output: Matrix<Buffer>
  public let derivative: Matrix<Buffer>?

  public init(
    _ activation: Activation, input: Matrix<Buffer>, output: Matrix<Buffer>, derivative: Matrix<Buffer>? = nil
  ) {
    precondition(
      input.rows == output.rows && input.columns == output.columns
        && (derivative.map { $0.rows == output.rows && $0.columns == output.columns } ?? true),
      "activate: \(input.shape) into \(output.shape)")
    self.activation = activation
    self.input = input
    self.output = output
    self.derivative = derivative
  }
}

/// `gradient[r] = derivative[stack.sharedRow(of: r)] ⊙ upstream[…]` for a stack of prompts.
///
/// `upstream` has either the gradient's rows (`upstream[r]`) or one row per prompt of an image
/// (`upstream[stack.copyRow(of: r)]`). `gradient` may be `upstream` where they have the same rows.
public struct ActivationBackward<Buffer: Sendable>: Sendable {
  public let upstream: Matrix<Buffer>
  public let derivative: Matrix<Buffer>
  public let stack: RowStack
  public let gradient: Matrix<Buffer>

  public init(upstream: Matrix<Buffer>, derivative: Matrix<Buffer>, stack: RowStack, gradient: Matrix<Buffer>) {
    precondition(
      upstream.columns == gradient.columns && derivative.columns == gradient.columns
        && derivative.rows * stack.copies == gradient.rows && derivative.rows % stack.rows == 0
        && (upstream.rows == gradient.rows || upstream.rows * stack.rows == gradient.rows),
      "activationBackward: upstream \(upstream.shape), derivative \(derivative.shape), gradient \(gradient.shape)")
    self.upstream = upstream
    self.derivative = derivative
    self.stack = stack
    self.gradient = gradient
  }
}
