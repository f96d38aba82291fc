/// What the heads of one query say of each key, in one number.
public enum HeadReading: Sendable, Equatable, CaseIterable {
  /// `Σ_h A_hj`
  case map
  /// `Σ_h max(0, G_hj)`
  case positiveGradient
  /// `Σ_h max(0, A_hj G_hj)`
  case positiveProduct
  /// `Σ_h A_hj G_hj`
  case product
  /// `max(0, Σ_h w_h A_hj)`, `w_h` the mean of `G_hj` over the keys from `leadingKeys` on.
  case weightedMap

  public var readsMap: Bool { self != .positiveGradient }
  public var readsGradient: Bool { self != .map }
}

/// The relevance of each key to one query: `relevance[r][j] = factor · reading(A, G)_j`, heads added in ascending
/// order.
///
/// `A` is the query's row of the attention maps, `map [images · heads, tokens]`; `G` a gradient or other factor beside
/// it, `gradient [images · prompts · heads, tokens]`. A reading that does not use one of them is given none. Row `r` of
/// `relevance [images · prompts, tokens]` reads the map of image `r / prompts`.
public struct KeyRelevance<Buffer: Sendable>: Sendable {
  public let reading: HeadReading
  public let map: Matrix<Buffer>?
  public let gradient: Matrix<Buffer>?
  public let heads: Int
  /// Keys that stand for no patch, such as the class token; they come first.
  public let leadingKeys: Int
  public let factor: Float
  public let relevance: Matrix<Buffer>

  public init(
    _ reading: HeadReading, map: Matrix<Buffer>? = nil, gradient: Matrix<Buffer>? = nil, heads: Int,
    leadingKeys: Int = 0, factor: Float, relevance: Matrix<Buffer>
  ) {
    precondition(
      heads > 0 && (map != nil) == reading.readsMap && (gradient != nil) == reading.readsGradient
        && (map.map { $0.columns == relevance.columns && relevance.rows * heads % $0.rows == 0 } ?? true)
        && (gradient.map { $0.columns == relevance.columns && $0.rows == relevance.rows * heads } ?? true)
        && leadingKeys >= 0 && leadingKeys < relevance.columns,
      "keyRelevance: map \(map?.shape ?? "none"), gradient \(gradient?.shape ?? "none"), relevance "
        + "\(relevance.shape), \(heads) heads, \(leadingKeys) leading keys, \(reading)")
    self.reading = reading
    self.map = map
    self.gradient = gradient
    self.heads = heads
    self.leadingKeys = leadingKeys
    self.factor = factor
    self.relevance = relevance
  }

  /// Rows of `relevance` that read the same map.
  public var prompts: Int { map.map { relevance.rows * heads / $0.rows } ?? 1 }
}
