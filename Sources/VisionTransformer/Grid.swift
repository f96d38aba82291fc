/// A grid of patches, `height` rows of `width`.
public struct Grid: Sendable, Hashable {
  public let height: Int
  public let width: Int

  public init(height: Int, width: Int) {
    precondition(height > 0 && width > 0, "a grid needs rows and columns, got \(height)×\(width)")
    self.height = height
    self.width = width
  }

  /// Patches in the grid.
  public var count: Int { height * width }
}
