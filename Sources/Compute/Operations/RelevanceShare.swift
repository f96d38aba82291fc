/// What one summand takes of the relevance at a sum, by the rule of the public LRP code (methods §3.1), float64 alone:
///
///     output[r][c] = value[s][c] · div(relevance[r][c], total[s][c]),   s = r % total.rows
///     div(a, b)    = a / (b + 1e-9), 0 where b is 0, a / 1e-9 where b + 1e-9 is 0
///
/// or added to what `output` holds where the share `accumulates`. Without `value` it is the quotient itself.
/// `relevance` may have the rows of several prompts, one prompt after the other, where `total` and `value` have those
/// of one image. `output` may be `relevance` where it does not accumulate.
public struct RelevanceShare<Buffer: Sendable>: Sendable {
  public let relevance: Matrix<Buffer>
  public let total: Matrix<Buffer>
  public let value: Matrix<Buffer>?
  public let accumulates: Bool
  public let output: Matrix<Buffer>

  public init(
    of relevance: Matrix<Buffer>, total: Matrix<Buffer>, value: Matrix<Buffer>? = nil, accumulates: Bool = false,
    output: Matrix<Buffer>
  ) {
    precondition(
      relevance.rows == output.rows && relevance.columns == output.columns && total.columns == output.columns
        && output.rows % total.rows == 0
        && (value.map { $0.rows == total.rows && $0.columns == total.columns } ?? true),
      "relevanceShare: \(relevance.shape) at \(total.shape), value \(value?.shape ?? "none"), into \(output.shape)")
    self.relevance = relevance
    self.total = total
    self.value = value
    self.accumulates = accumulates
    self.output = output
  }
}
