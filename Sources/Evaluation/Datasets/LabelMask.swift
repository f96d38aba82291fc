import ImageFiles

/// Which pixels show an object.
public struct LabelMask: Equatable, Sendable {
  public let height: Int
  public let width: Int
  /// Row-major, 1 where the object is and 0 elsewhere.
  public let values: [UInt8]

  /// What is not zero in `values` is the object.
  /// - Precondition: both sides are positive and `values` fills them.
  public init(height: Int, width: Int, values: [UInt8]) {
    precondition(height > 0 && width > 0 && values.count == height * width, "a value per pixel")
    self.height = height
    self.width = width
    self.values = values.map { $0 == 0 ? 0 : 1 }
  }

  /// The mask squashed to another size by Pillow's nearest neighbour.
  public func resized(height: Int, width: Int) -> LabelMask {
    let resized = MapResampling.nearest(
      values, height: self.height, width: self.width, toHeight: height, toWidth: width)
    return LabelMask(height: height, width: width, values: resized)
  }
}
