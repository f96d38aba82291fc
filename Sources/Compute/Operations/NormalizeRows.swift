/// `output = input / max(‖input‖₂, 1e-12)` per row; `norms [rows, 1]` receives the divisor. `output` may be `input`.
public struct NormalizeRows<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let output: Matrix<Buffer>
  public let norms: Matrix<Buffer>

  public init(input: Matrix<Buffer>, output: Matrix<Buffer>, norms: Matrix<Buffer>) {
    precondition(
      input.rows == output.rows && input.columns == output.columns && norms.rows == input.rows && norms.columns == 1,
      "normalizeRows: \(input.shape) into \(output.shape), norms \(norms.shape)")
    self.input = input
    self.output = output
    self.norms = norms
  }
}

/// The gradient of the score `t_p · f_b` at the unnormalised embedding, for every image `b` and prompt `p`.
///
/// `directions [prompts, width]` are the unit text rows `t`, `normalized [images, width]` and `norms` what
/// `NormalizeRows` gave: `gradient[b · prompts + p] = (t_p − (t_p · f_b) f_b) / norms_b`.
public struct NormalizeRowsBackward<Buffer: Sendable>: Sendable {
  public let directions: Matrix<Buffer>
  public let normalized: Matrix<Buffer>
  public let norms: Matrix<Buffer>
  public let gradient: Matrix<Buffer>

  public init(
    directions: Matrix<Buffer>, normalized: Matrix<Buffer>, norms: Matrix<Buffer>, gradient: Matrix<Buffer>
  ) {
    precondition(
      directions.columns == normalized.columns && gradient.columns == normalized.columns
        && gradient.rows == directions.rows * normalized.rows && norms.rows == normalized.rows && norms.columns == 1,
      "normalizeRowsBackward: \(directions.shape) directions, \(normalized.shape) rows, \(gradient.shape) gradient")
    self.directions = directions
    self.normalized = normalized
    self.norms = norms
    self.gradient = gradient
  }
}
