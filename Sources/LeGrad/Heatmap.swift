import ImageFiles
public import VisionTransformer

/// A map of values in [0, 1] at the size of the model's input.
public struct Heatmap: Sendable {
  public let height: Int
  public let width: Int
  /// Row-major, `height × width`.
  public let values: [Float]
  /// True where the relevance was the same everywhere; the values are then all zero.
  public let isFlat: Bool

  /// Enlarges `relevance` bilinearly from the grid to `height × width`, then scales its range to [0, 1].
  /// - Parameter dropsNegative: whether what is below zero after enlargement becomes zero first.
  public init(relevance: [Float], grid: Grid, height: Int, width: Int, dropsNegative: Bool = false) {
    precondition(relevance.count == grid.count, "\(relevance.count) values for a grid of \(grid.count)")
    self.height = height
    self.width = width
    var map = MapResampling.enlarge(
      relevance, height: grid.height, width: grid.width, toHeight: height, toWidth: width)
    if dropsNegative { map = map.map { max(0, $0) } }
    let low = map.min() ?? 0
    let high = map.max() ?? 0
    isFlat = !(high > low)
    // Divided, not multiplied by an inverse: the maximum is then exactly 1.
    values = isFlat ? [Float](repeating: 0, count: map.count) : map.map { ($0 - low) / (high - low) }
  }
}
