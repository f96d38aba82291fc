public import Compute

extension Oracle {
  public enum Side: Sendable { case outputs, inputs }

  /// `input · Wᵀ` (`outputs`) or `input · W` (`inputs`).
  public static func matmul(
    _ input: DoubleMatrix, weight: DoubleMatrix, side: Side = .outputs
  ) -> DoubleMatrix {
    let inner = side == .outputs ? weight.columns : weight.rows
    precondition(input.columns == inner, "\(input.columns) input columns for an inner dimension of \(inner)")
    var output = DoubleMatrix(rows: input.rows, columns: side == .outputs ? weight.rows : weight.columns)
    let outputColumns = output.columns
    let weightColumns = weight.columns
    unsafe input.values.withUnsafeBufferPointer { x in
      unsafe weight.values.withUnsafeBufferPointer { w in
        guard let x = x.baseAddress, let w = w.baseAddress else { return }
        for row in 0..<input.rows {
          var column = 0
          while column < outputColumns {
            let first = side == .outputs ? column * weightColumns : column
            let step = side == .outputs ? 1 : weightColumns
            output.values[row * outputColumns + column] = unsafe dot(
              x + row * inner, step: 1, w + first, step: step, count: inner)
            column += 1
          }
        }
      }
    }
    return output
  }

  /// The left operand of a product with an input scale: row `r` is
  /// `input[stack.sharedRow(of: r)] ⊙ scales[stack.copyRow(of: r)]`.
  public static func scaledInput(_ input: DoubleMatrix, scales: DoubleMatrix, stack: RowStack) -> DoubleMatrix {
    var scaled = DoubleMatrix(rows: input.rows * stack.copies, columns: input.columns)
    for row in 0..<scaled.rows {
      let (shared, prompt) = rows(of: row, in: stack)
      for column in 0..<input.columns { scaled[row, column] = input[shared, column] * scales[prompt, column] }
    }
    return scaled
  }

  /// The rows that stacked row `row` reads, from the order "image, then prompt, then token".
  static func rows(of row: Int, in stack: RowStack) -> (shared: Int, prompt: Int) {
    let token = row % stack.rows
    let imageAndPrompt = row / stack.rows
    let image = imageAndPrompt / stack.copies
    return (image * stack.rows + token, imageAndPrompt)
  }

  /// `+ bias`, activation (and its derivative), `+ residual`, in this order.
  public static func epilogue(
    _ product: DoubleMatrix, bias: DoubleMatrix? = nil, activation: Activation? = nil, residual: DoubleMatrix? = nil
  ) -> (output: DoubleMatrix, derivative: DoubleMatrix?) {
    var output = product
    var derivative: DoubleMatrix?
    if let bias { output = addRows(output, addend: bias) }
    if let activation {
      derivative = output.map { activationDerivative(activation, $0) }
      output = output.map { self.activation(activation, $0) }
    }
    if let residual { output = addRows(output, addend: residual) }
    return (output, derivative)
  }
}
