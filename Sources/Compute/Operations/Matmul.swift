/// A product with a prepared weight `W [outputs, inputs]`, and what is done to its result before it is stored.
///
/// - `side == .outputs`: `output = epilogue(input · Wᵀ)`, the forward of a Linear layer; input has `inputs`
///   columns, output has `outputs`.
/// - `side == .inputs`: `output = epilogue(input · W)`, its backward; input has `outputs` columns.
///
/// With `inputScale`, `input` is shared by the prompts of a stack and row `r` of the left operand is
/// `input[stack.sharedRow(of: r)] ⊙ scales[stack.copyRow(of: r)]`: the activation's backward with one upstream
/// row per prompt, never stored.
///
/// With several weights, all of one shape, the output's rows are as many equal ranges, and so are those of the input and
/// of the scales: range `i` is multiplied with weight `i`, `parts[i]`. Such a product has no epilogue.
///
/// Each element is summed over the inner dimension in an order that depends on that dimension alone, so a row's
/// bits do not depend on which rows stand beside it. `output` must not overlap `input`.
public struct Matmul<Buffer: Sendable, Weight: Sendable>: Sendable {
  public enum Side: Sendable { case outputs, inputs }

  public struct InputScale: Sendable {
    /// `[images · prompts, input columns]`.
    public let scales: Matrix<Buffer>
    public let stack: RowStack

    public init(scales: Matrix<Buffer>, stack: RowStack) {
      self.scales = scales
      self.stack = stack
    }
  }

  /// In this order: `+ bias`, activation, `+ residual`. All fields are optional.
  public struct Epilogue: Sendable {
    /// `[1, output columns]`, added to every row.
    public var bias: Matrix<Buffer>?
    public var activation: Activation?
    /// Receives the activation's derivative at its input, same shape as the output. Kept instead of the
    /// pre-activation: both come from one evaluation, and the backward needs no other.
    public var derivative: Matrix<Buffer>?
    /// Receives the derivative times the product before the bias, same shape as the output.
    public var slopes: Matrix<Buffer>?
    /// Row `r` of the output gets row `r % residual.rows` added. May be the output itself.
    public var residual: Matrix<Buffer>?

    public init(
      bias: Matrix<Buffer>? = nil, activation: Activation? = nil, derivative: Matrix<Buffer>? = nil,
      slopes: Matrix<Buffer>? = nil, residual: Matrix<Buffer>? = nil
    ) {
      precondition(derivative == nil || activation != nil, "matmul: a derivative without an activation")
      precondition(slopes == nil || derivative != nil, "matmul: slopes without a derivative")
      self.bias = bias
      self.activation = activation
      self.derivative = derivative
      self.slopes = slopes
      self.residual = residual
    }
  }

  public let input: Matrix<Buffer>
  public let inputScale: InputScale?
  /// One, or one for each of the equal ranges of rows.
  public let weights: [Weight]
  public let side: Side
  public let output: Matrix<Buffer>
  public let epilogue: Epilogue

  public init(
    input: Matrix<Buffer>, inputScale: InputScale? = nil, weight: Weight, side: Side = .outputs,
    output: Matrix<Buffer>, epilogue: Epilogue = Epilogue()
  ) {
    self.init(
      input: input, inputScale: inputScale, weights: [weight], side: side, output: output, checked: epilogue)
  }

  /// A product with several weights.
  public init(
    input: Matrix<Buffer>, inputScale: InputScale? = nil, weights: [Weight], side: Side = .outputs,
    output: Matrix<Buffer>
  ) {
    let parts = weights.count
    precondition(
      parts > 0 && input.rows % parts == 0 && output.rows % parts == 0
        && (inputScale.map { output.rows / parts % ($0.stack.copies * $0.stack.rows) == 0 } ?? true),
      "matmul: \(parts) weights for \(input.shape) into \(output.shape)")
    self.init(
      input: input, inputScale: inputScale, weights: weights, side: side, output: output, checked: Epilogue())
  }

  private init(
    input: Matrix<Buffer>, inputScale: InputScale?, weights: [Weight], side: Side, output: Matrix<Buffer>,
    checked epilogue: Epilogue
  ) {
    if let inputScale {
      precondition(
        input.rows * inputScale.stack.copies == output.rows && inputScale.scales.columns == input.columns
          && inputScale.scales.rows * inputScale.stack.rows == output.rows,
        "matmul: input \(input.shape), scales \(inputScale.scales.shape), output \(output.shape), \(inputScale.stack)")
    } else {
      precondition(input.rows == output.rows, "matmul: \(input.shape) rows into \(output.shape)")
    }
    for (name, matrix) in [
      ("bias", epilogue.bias), ("derivative", epilogue.derivative), ("slopes", epilogue.slopes),
      ("residual", epilogue.residual),
    ] {
      precondition(
        matrix.map { $0.columns == output.columns } ?? true, "matmul: \(name) does not fit \(output.shape)")
    }
    precondition(epilogue.bias.map { $0.rows == 1 } ?? true, "matmul: the bias is one row")
    precondition(
      [epilogue.derivative, epilogue.slopes].allSatisfy { $0.map { $0.rows == output.rows } ?? true },
      "matmul: derivative and slopes have the output's rows")
    self.input = input
    self.inputScale = inputScale
    self.weights = weights
    self.side = side
    self.output = output
    self.epilogue = epilogue
  }

  /// The weight of a product that has one.
  public var weight: Weight {
    precondition(weights.count == 1, "matmul: \(weights.count) weights where one is read")
    return weights[0]
  }

  /// A product with one weight for each of the ranges of rows.
  public var parts: [Matmul] {
    guard weights.count > 1 else { return [self] }
    return weights.enumerated().map { index, weight in
      Matmul(
        input: input.part(index, of: weights.count),
        inputScale: inputScale.map {
          InputScale(scales: $0.scales.part(index, of: weights.count), stack: $0.stack)
        }, weight: weight, side: side, output: output.part(index, of: weights.count))
    }
  }
}
