/// Weighted sums of the tokens of an image: what an attention with few queries gives.
///
/// `sums[r] = Σ_j weights[r][j] · tokens[image(r) · tokensPerImage + j]`, added in ascending order of tokens, where
/// image `b` owns the rows `b · rowsPerImage ..< (b+1) · rowsPerImage` of `weights [images · rowsPerImage,
/// tokensPerImage]` and of `sums [images · rowsPerImage, width]`. `tokens` is `[images · tokensPerImage, width]`.
public struct TokenSums<Buffer: Sendable>: Sendable {
  public let weights: Matrix<Buffer>
  public let tokens: Matrix<Buffer>
  public let sums: Matrix<Buffer>

  public init(weights: Matrix<Buffer>, tokens: Matrix<Buffer>, sums: Matrix<Buffer>) {
    precondition(
      weights.rows == sums.rows && tokens.columns == sums.columns && tokens.rows % weights.columns == 0
        && weights.rows % (tokens.rows / weights.columns) == 0,
      "tokenSums: weights \(weights.shape), tokens \(tokens.shape), sums \(sums.shape)")
    self.weights = weights
    self.tokens = tokens
    self.sums = sums
  }

  public var rowsPerImage: Int { weights.rows / (tokens.rows / weights.columns) }
}
