/// `destination = source`, element by element; equal shapes, no overlap.
public struct Copy<Buffer: Sendable>: Sendable {
  public let source: Matrix<Buffer>
  public let destination: Matrix<Buffer>

  public init(_ source: Matrix<Buffer>, to destination: Matrix<Buffer>) {
    precondition(
      source.rows == destination.rows && source.columns == destination.columns,
      "copy: \(source.shape) into \(destination.shape)")
    self.source = source
    self.destination = destination
  }
}

/// Every element of `destination` becomes `value`. Float32 or float64.
public struct Fill<Buffer: Sendable>: Sendable {
  public let destination: Matrix<Buffer>
  public let value: Float

  public init(_ destination: Matrix<Buffer>, with value: Float) {
    self.destination = destination
    self.value = value
  }
}
