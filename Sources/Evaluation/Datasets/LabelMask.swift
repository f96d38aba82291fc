import ImageFiles

/// Which pixels show an object.
package struct LabelMask: Equatable, Sendable {
  package let height: Int
  package let width: Int
  /// Row-major, 1 where the object is and 0 elsewhere.
  package let values: [UInt8]

  /// What is not zero in `values` is the object.
  /// - Precondition: both sides are positive and `values` fills them.
  package init(height: Int, width: Int, values: [UInt8]) {
    precondition(height > 0 && width > 0 && values.count == height * width, "a value per pixel")
    self.height = height
    self.width = width
    self.values = values.map { $0 == 0 ? 0 : 1 }
  }

  /// The mask squashed to another size by Pillow's nearest neighbour.
  package func resized(height: Int, width: Int) -> LabelMask {
    let resized = MapResampling.nearest(
      values, height: self.height, width: self.width, toHeight: height, toWidth: width)
    return LabelMask(height: height, width: width, values: resized)
  }
}
