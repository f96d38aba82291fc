/// Which keys a query may see.
public enum AttentionMask: Sendable, Equatable {
  case none
  /// Query `i` of a sequence sees keys `0 … i`.
  case causal
}

/// Multi-head attention of each sequence on itself, without storing a map.
///
/// `queries`, `keys`, `values`, `output` are `[sequences · tokens, width]`; head `h` owns columns
/// `h · width/heads ..< (h+1) · width/heads`. Per sequence and head:
/// `output_i = Σ_j softmax_j( q_i · k_j / √(width/heads) ) v_j`.
public struct Attention<Buffer: Sendable>: Sendable {
  public let queries: Matrix<Buffer>
  public let keys: Matrix<Buffer>
  public let values: Matrix<Buffer>
  public let heads: Int
  public let tokens: Int
  public let mask: AttentionMask
  public let output: Matrix<Buffer>

  public init(
    queries: Matrix<Buffer>, keys: Matrix<Buffer>, values: Matrix<Buffer>, heads: Int, tokens: Int,
    mask: AttentionMask = .none, output: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && tokens > 0 && output.columns % heads == 0 && output.rows % tokens == 0
        && [queries, keys, values].allSatisfy { $0.rows == output.rows && $0.columns == output.columns },
      "attention: \(queries.shape) queries, \(keys.shape) keys, \(values.shape) values, \(output.shape) output, "
        + "\(heads) heads, \(tokens) tokens")
    self.queries = queries
    self.keys = keys
    self.values = values
    self.heads = heads
    self.tokens = tokens
    self.mask = mask
    self.output = output
  }
}

/// The gradients of an attention's inputs, recomputing its map.
///
/// With `A` the map and `dO` the upstream gradient, per sequence and head: `dV = Aᵀ dO`, `dA = dO Vᵀ`,
/// `dS = A ⊙ (dA − rowsum(dA ⊙ A))`, `dQ = dS K / √d`, `dK = dSᵀ Q / √d`, `d = width/heads`. The three gradients
/// have the shape of `upstream` and overlap nothing.
public struct AttentionBackward<Buffer: Sendable>: Sendable {
  public let upstream: Matrix<Buffer>
  public let queries: Matrix<Buffer>
  public let keys: Matrix<Buffer>
  public let values: Matrix<Buffer>
  public let heads: Int
  public let tokens: Int
  public let mask: AttentionMask
  public let queryGradient: Matrix<Buffer>
  public let keyGradient: Matrix<Buffer>
  public let valueGradient: Matrix<Buffer>

  public init(
    upstream: Matrix<Buffer>, queries: Matrix<Buffer>, keys: Matrix<Buffer>, values: Matrix<Buffer>, heads: Int,
    tokens: Int, mask: AttentionMask = .none, queryGradient: Matrix<Buffer>, keyGradient: Matrix<Buffer>,
    valueGradient: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && tokens > 0 && upstream.columns % heads == 0 && upstream.rows % tokens == 0
        && [queries, keys, values, queryGradient, keyGradient, valueGradient].allSatisfy {
          $0.rows == upstream.rows && $0.columns == upstream.columns
        },
      "attentionBackward: upstream \(upstream.shape), \(heads) heads, \(tokens) tokens")
    self.upstream = upstream
    self.queries = queries
    self.keys = keys
    self.values = values
    self.heads = heads
    self.tokens = tokens
    self.mask = mask
    self.queryGradient = queryGradient
    self.keyGradient = keyGradient
    self.valueGradient = valueGradient
  }
}
