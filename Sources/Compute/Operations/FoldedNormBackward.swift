/// The gradient at a projection's input, of a layer norm and a Linear layer behind that projection, where the products
/// of both are one weight (methods §11.2): for a stack of prompts,
///
/// `output = addend + r · (product − (slopes · scales) / columns · projected)`.
///
/// `product` has the output's rows, `images · prompts · tokens`, and is the gradient times the folded weight; `r` is the
/// second column of `statistics [images · tokens, 2]`. `slopes [images · tokens, hidden]` are of the shared row,
/// `scales [images · prompts, hidden]` of the prompt, and their dot product is what the norm takes out along its own
/// row, whose image by the projection is `projected [images · tokens, columns]`. `addend` is `[images · prompts,
/// columns]`. `output` may be `product`. Columns of `product` count as many as the norm's.
public struct FoldedNormBackward<Buffer: Sendable>: Sendable {
  public let product: Matrix<Buffer>
  public let slopes: Matrix<Buffer>
  public let scales: Matrix<Buffer>
  public let projected: Matrix<Buffer>
  public let statistics: Matrix<Buffer>
  public let addend: Matrix<Buffer>
  public let stack: RowStack
  public let output: Matrix<Buffer>

  public init(
    product: Matrix<Buffer>, slopes: Matrix<Buffer>, scales: Matrix<Buffer>, projected: Matrix<Buffer>,
    statistics: Matrix<Buffer>, addend: Matrix<Buffer>, stack: RowStack, output: Matrix<Buffer>
  ) {
    precondition(
      product.rows == output.rows && product.columns == output.columns && projected.columns == output.columns
        && projected.rows == slopes.rows && slopes.rows * stack.copies == output.rows && slopes.rows % stack.rows == 0
        && scales.rows * stack.rows == output.rows && scales.columns == slopes.columns && addend.rows == scales.rows
        && addend.columns == output.columns && statistics.rows == slopes.rows && statistics.columns == 2,
      "foldedNormBackward: product \(product.shape), slopes \(slopes.shape), scales \(scales.shape), "
        + "projected \(projected.shape), output \(output.shape), \(stack)")
    self.product = product
    self.slopes = slopes
    self.scales = scales
    self.projected = projected
    self.statistics = statistics
    self.addend = addend
    self.stack = stack
    self.output = output
  }
}
