/// `output = scale ⊙ (input − mean) / √(variance + epsilon) + shift`, mean and biased variance over each row.
///
/// `scale` and `shift` are `[1, columns]`. `statistics`, if given, is `[rows, 2]` and receives each row's mean
/// and `1 / √(variance + epsilon)`. `output` may be `input`. Float32 or float64.
public struct LayerNorm<Buffer: Sendable>: Sendable {
  public let input: Matrix<Buffer>
  public let scale: Matrix<Buffer>
  public let shift: Matrix<Buffer>
  public let epsilon: Float
  public let output: Matrix<Buffer>
  public let statistics: Matrix<Buffer>?

  public init(
    input: Matrix<Buffer>, scale: Matrix<Buffer>, shift: Matrix<Buffer>, epsilon: Float, output: Matrix<Buffer>,
    statistics: Matrix<Buffer>? = nil
  ) {
    precondition(
      input.rows == output.rows && input.columns == output.columns && scale.rows == 1 && shift.rows == 1
        && scale.columns == input.columns && shift.columns == input.columns
        && (statistics.map { $0.rows == input.rows && $0.columns == 2 } ?? true),
      "layerNorm: \(input.shape) into \(output.shape), scale \(scale.shape), shift \(shift.shape)")
    self.input = input
    self.scale = scale
    self.shift = shift
    self.epsilon = epsilon
    self.output = output
    self.statistics = statistics
  }
}

/// The gradient of a layer norm's input, for a stack of prompts.
///
/// With `x̂ = (input − mean) · r` of the shared row, `ĝ = scale ⊙ upstream`, means over the columns:
/// `output = r · (ĝ − mean(ĝ) − x̂ · mean(ĝ ⊙ x̂)) · factor + addend`.
/// `output` has `images · prompts · tokens` rows, `input` and `statistics` `images · tokens`; `upstream` has the
/// output's rows (`upstream[r]`) or one row per prompt of an image (`upstream[stack.copyRow(of: r)]`), `addend`
/// (optional) one row per prompt of an image. `output` may be `upstream` where they have the same rows.
///
/// `scale` has one row, or one for each of as many equal ranges of images: norms of several layers at once, `parts`.
public struct LayerNormBackward<Buffer: Sendable>: Sendable {
  public let upstream: Matrix<Buffer>
  public let input: Matrix<Buffer>
  public let statistics: Matrix<Buffer>
  public let scale: Matrix<Buffer>
  public let stack: RowStack
  public let factor: Float
  public let addend: Matrix<Buffer>?
  public let output: Matrix<Buffer>

  public init(
    upstream: Matrix<Buffer>, input: Matrix<Buffer>, statistics: Matrix<Buffer>, scale: Matrix<Buffer>,
    stack: RowStack, factor: Float = 1, addend: Matrix<Buffer>? = nil, output: Matrix<Buffer>
  ) {
    precondition(
      (upstream.rows == output.rows || upstream.rows * stack.rows == output.rows)
        && upstream.columns == output.columns && input.columns == output.columns
        && input.rows * stack.copies == output.rows && input.rows % (stack.rows * scale.rows) == 0
        && scale.columns == input.columns && statistics.rows == input.rows && statistics.columns == 2
        && (addend.map { $0.rows * stack.rows == output.rows && $0.columns == output.columns } ?? true),
      "layerNormBackward: upstream \(upstream.shape), input \(input.shape), output \(output.shape), \(stack)")
    self.upstream = upstream
    self.input = input
    self.statistics = statistics
    self.scale = scale
    self.stack = stack
    self.factor = factor
    self.addend = addend
    self.output = output
  }

  /// An operation with one row of scales for each of the ranges.
  public var parts: [LayerNormBackward] {
    let count = scale.rows
    guard count > 1 else { return [self] }
    return (0..<count).map { index in
      LayerNormBackward(
        upstream: upstream.part(index, of: count), input: input.part(index, of: count),
        statistics: statistics.part(index, of: count), scale: scale.part(index, of: count), stack: stack,
        factor: factor, addend: addend?.part(index, of: count), output: output.part(index, of: count))
    }
  }
}
