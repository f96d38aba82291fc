/// Rotary positions: turns the columns of each head of queries or keys in pairs by angles that a token's place gives.
///
/// `matrix [sequences · tokens, heads · head width]` is changed in place. The first `leadingRows` rows of each sequence
/// stay as they are; row `leadingRows + p` of a sequence is turned by row `p` of `cosines` and `sines`, both
/// `[tokens − leadingRows, head width / 2]`: pair `k` of columns `(a, b)` becomes
/// `(a · cos − b · sin, b · cos + a · sin)`, or turned back, with `sin` negated, where `turnsBack`: its gradient.
public struct Rotate<Buffer: Sendable>: Sendable {
  public typealias Pairing = RotaryPairing

  public let matrix: Matrix<Buffer>
  public let heads: Int
  public let tokens: Int
  public let leadingRows: Int
  public let cosines: Matrix<Buffer>
  public let sines: Matrix<Buffer>
  public let pairing: Pairing
  public let turnsBack: Bool

  public init(
    _ matrix: Matrix<Buffer>, heads: Int, tokens: Int, leadingRows: Int, cosines: Matrix<Buffer>,
    sines: Matrix<Buffer>, pairing: Pairing, turnsBack: Bool = false
  ) {
    precondition(
      heads > 0 && matrix.columns % heads == 0 && tokens > 0 && matrix.rows % tokens == 0
        && (0...tokens).contains(leadingRows) && cosines.rows == tokens - leadingRows && sines.rows == cosines.rows
        && 2 * heads * cosines.columns == matrix.columns && sines.columns == cosines.columns,
      "rotate: \(matrix.shape) of \(heads) heads, \(tokens) tokens, angles \(cosines.shape)")
    self.matrix = matrix
    self.heads = heads
    self.tokens = tokens
    self.leadingRows = leadingRows
    self.cosines = cosines
    self.sines = sines
    self.pairing = pairing
    self.turnsBack = turnsBack
  }
}

/// Which columns of a head make pair `k` of rotary positions.
public enum RotaryPairing: String, Sendable, CaseIterable {
  /// `k` and `k + head width / 2`.
  case halves
  /// `2k` and `2k + 1`.
  case neighbours
}
