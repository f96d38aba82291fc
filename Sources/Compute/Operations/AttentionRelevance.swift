/// LeGrad's relevance of every key token: the positive part of the gradient at a block's own attention map,
/// averaged over heads and queries, without storing a map (methods §1.2 step 5, §11.2).
///
/// The map of head `h` gets the gradient `G_hij = dO_hi · v_hj`, `dO` the gradient at the attention's output. For
/// image `b` and prompt `p`:
/// `relevance[b · prompts + p][j] = 1/(heads · tokens) · Σ_h Σ_i max(0, dO_hi · v_hj)`.
///
/// `outputGradient` is `[images · prompts · tokens, width]`, `values` `[images · tokens, width]`, `relevance`
/// `[images · prompts, tokens]`. The sum over queries and heads has a fixed order.
public struct AttentionRelevance<Buffer: Sendable>: Sendable {
  public let outputGradient: Matrix<Buffer>
  public let values: Matrix<Buffer>
  public let heads: Int
  public let stack: RowStack
  public let relevance: Matrix<Buffer>

  public init(
    outputGradient: Matrix<Buffer>, values: Matrix<Buffer>, heads: Int, stack: RowStack, relevance: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && values.columns % heads == 0 && outputGradient.columns == values.columns
        && values.rows % stack.rows == 0 && outputGradient.rows == values.rows * stack.copies
        && relevance.columns == stack.rows && relevance.rows * stack.rows == outputGradient.rows,
      "attentionRelevance: gradient \(outputGradient.shape), values \(values.shape), relevance \(relevance.shape), "
        + "\(heads) heads, \(stack)")
    self.outputGradient = outputGradient
    self.values = values
    self.heads = heads
    self.stack = stack
    self.relevance = relevance
  }
}
