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

  /// When the range of values becomes [0, 1].
  public enum Scaling: Sendable {
    /// Among the pixels of the enlarged map, as the public code does it for most models.
    case pixels
    /// Among the cells of the grid, before it is enlarged, as the public code does it for SigLIP: the pixels need not
    /// reach 0 and 1.
    case cells
  }

  /// Enlarges `relevance` bilinearly from the grid to `height × width`, and scales its range to [0, 1].
  /// - Parameters:
  ///   - relevance: a value for each cell of `grid`, row after row.
  ///   - grid: the patches that were explained.
  ///   - height: of the heatmap, in pixels.
  ///   - width: of the heatmap, in pixels.
  ///   - scaling: when the range becomes [0, 1].
  ///   - dropsNegative: whether what is below zero becomes zero before it is scaled.
  public init(
    relevance: [Float], grid: Grid, height: Int, width: Int, scaling: Scaling = .pixels, dropsNegative: Bool = false
  ) {
    precondition(relevance.count == grid.count, "\(relevance.count) values for a grid of \(grid.count)")
    self.height = height
    self.width = width
    func enlarged(_ map: [Float]) -> [Float] {
      MapResampling.enlarge(map, height: grid.height, width: grid.width, toHeight: height, toWidth: width)
    }
    var map = scaling == .pixels ? enlarged(relevance) : relevance
    if dropsNegative { map = map.map { max(0, $0) } }
    isFlat = !((map.max() ?? 0) > (map.min() ?? 0))
    let scaled = Self.scaled(map)
    values = scaling == .pixels ? scaled : enlarged(scaled)
  }

  /// What `isFlat` of such a heatmap is, without making it.
  package static func isFlat(
    relevance: [Float], grid: Grid, height: Int, width: Int, scaling: Scaling, dropsNegative: Bool
  ) -> Bool {
    precondition(relevance.count == grid.count, "\(relevance.count) values for a grid of \(grid.count)")
    func kept(_ value: Float) -> Float { dropsNegative ? max(0, value) : value }
    guard scaling == .pixels else { return relevance.allSatisfy { kept($0) == kept(relevance[0]) } }
    return MapResampling.isFlat(
      relevance, height: grid.height, width: grid.width, toHeight: height, toWidth: width, of: kept)
  }

  /// The range of values as [0, 1]; all zero where they are equal.
  static func scaled(_ map: [Float]) -> [Float] {
    let low = map.min() ?? 0
    let high = map.max() ?? 0
    guard high > low else { return [Float](repeating: 0, count: map.count) }
    // Divided, not multiplied by an inverse: the maximum is then exactly 1.
    return map.map { ($0 - low) / (high - low) }
  }
}
