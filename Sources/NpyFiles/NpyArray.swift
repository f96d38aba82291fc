/// An array of any number of dimensions, the last one varying fastest.
package struct NpyArray<Element: Sendable & Equatable>: Sendable, Equatable {
  /// Lengths of the dimensions; empty for a single number.
  package let shape: [Int]
  /// The elements, as many as the product of the shape.
  package let values: [Element]

  package init(shape: [Int], values: [Element]) {
    precondition(shape.reduce(1, *) == values.count, "shape \(shape) does not hold \(values.count) values")
    self.shape = shape
    self.values = values
  }
}
