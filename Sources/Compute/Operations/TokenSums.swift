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

/// The gradient of weighted sums at the tokens: each token receives the upstreams of the sums by its weights in them.
///
/// `gradient[g · tokens + j] = Σ_h weights[g · rows + h][j] · upstream[(g · rows + h) % upstream.rows]`, added in
/// ascending order of `h`, over the groups `g` (pairs of an image and a prompt) with `rowsPerGroup` sums each; on top
/// of what `gradient` holds if `accumulates`. With the gradient of `KeyScores` in place of weights, and its rows in
/// place of upstreams, it is the gradient of those scores at their tokens.
///
/// `weights` is `[groups · rowsPerGroup, tokens]`, `upstream [groups · rowsPerGroup, width]` or fewer rows that repeat,
/// `gradient [groups · tokens, width]`.
public struct TokenSumsBackward<Buffer: Sendable>: Sendable {
  public let weights: Matrix<Buffer>
  public let upstream: Matrix<Buffer>
  public let accumulates: Bool
  public let gradient: Matrix<Buffer>

  public init(
    weights: Matrix<Buffer>, upstream: Matrix<Buffer>, accumulates: Bool = false, gradient: Matrix<Buffer>
  ) {
    precondition(
      upstream.columns == gradient.columns && weights.rows % upstream.rows == 0
        && gradient.rows % weights.columns == 0 && weights.rows % (gradient.rows / weights.columns) == 0,
      "tokenSumsBackward: weights \(weights.shape), upstream \(upstream.shape), gradient \(gradient.shape)")
    self.weights = weights
    self.upstream = upstream
    self.accumulates = accumulates
    self.gradient = gradient
  }

  public var rowsPerGroup: Int { weights.rows / (gradient.rows / weights.columns) }
}
