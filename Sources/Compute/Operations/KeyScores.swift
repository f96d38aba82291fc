/// The product of one row per prompt with every token of its image, head by head.
///
/// `scores[r · heads + h][j] = factor · (rows[r % rows.rows]_h · tokens[image(r) · tokensPerImage + j]_h)`, where `x_h`
/// are the columns `h · width/heads ..< (h+1) · width/heads` of a row and `r` counts `images · prompts`, by image, then
/// prompt. With a query for a row and keys for tokens, a softmax makes it the query's attention; with the gradient at a
/// query's attention output and values, it is the gradient at that query's row of the maps.
///
/// `rows` is `[images · prompts, width]`, or fewer rows that repeat; `tokens` is `[images · tokensPerImage, width]`,
/// `scores` `[images · prompts · heads, tokensPerImage]`.
public struct KeyScores<Buffer: Sendable>: Sendable {
  public let rows: Matrix<Buffer>
  public let tokens: Matrix<Buffer>
  public let heads: Int
  public let factor: Float
  public let stack: RowStack
  public let scores: Matrix<Buffer>

  public init(
    rows: Matrix<Buffer>, tokens: Matrix<Buffer>, heads: Int, factor: Float = 1, stack: RowStack,
    scores: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && tokens.columns % heads == 0 && rows.columns == tokens.columns && tokens.rows % stack.rows == 0
        && scores.rows == tokens.rows / stack.rows * stack.copies * heads && scores.columns == stack.rows
        && scores.rows / heads % rows.rows == 0,
      "keyScores: rows \(rows.shape), tokens \(tokens.shape), scores \(scores.shape), \(heads) heads, \(stack)")
    self.rows = rows
    self.tokens = tokens
    self.heads = heads
    self.factor = factor
    self.stack = stack
    self.scores = scores
  }
}
