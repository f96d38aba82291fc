/// The gated activation of an MLP: `output = φ(gate) ⊙ value`, where `input [rows, 2 · columns]` is `gate | value`.
///
/// `derivative`, if given, has the input's shape and receives the output's derivatives by both:
/// `value ⊙ φ'(gate) | φ(gate)`. It may be `input`; `output` overlaps neither.
public struct Gate<Buffer: Sendable>: Sendable {
  public let activation: Activation
  public let input: Matrix<Buffer>
  public let output: Matrix<Buffer>
  public let derivative: Matrix<Buffer>?

  public init(
    _ activation: Activation, input: Matrix<Buffer>, output: Matrix<Buffer>, derivative: Matrix<Buffer>? = nil
  ) {
    precondition(
      input.rows == output.rows && input.columns == 2 * output.columns
        && (derivative.map { $0.rows == input.rows && $0.columns == input.columns } ?? true),
      "gate: \(input.shape) into \(output.shape)")
    self.activation = activation
    self.input = input
    self.output = output
    self.derivative = derivative
  }
}
