/// An array of any number of dimensions, the last one varying fastest.
public struct NpyArray<Element: Sendable & Equatable>: Sendable, Equatable {
  /// Lengths of the dimensions; empty for a single number.
  public let shape: [Int]
  /// The elements, as many as the product of the shape.
  public let values: [Element]

  public init(shape: [Int], values: [Element]) {
    precondition(shape.reduce(1, *) == values.count, "shape \(shape) does not hold \(values.count) values")
    self.shape = shape
    self.values = values
  }
}
