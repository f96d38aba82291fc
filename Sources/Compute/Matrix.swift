/// What the elements of a matrix are. Everything is float32 but relevance propagation, which divides by sums close to
/// zero and would turn the last bits of float32 into percents.
public enum Scalar: String, Sendable, CaseIterable {
  case float32, float64

  /// Bytes of one element.
  public var bytes: Int { self == .float32 ? 4 : 8 }
}

/// A row-major view of a backend's buffer: element `(r, c)` lies at `offset + r · rowStride + c`.
///
/// Images and tokens fold into rows. Views share the buffer: Q, K and V are three column ranges of one fused
/// projection, and the class tokens of a batch are every `tokens`-th row.
public struct Matrix<Buffer: Sendable>: Sendable {
  public let buffer: Buffer
  /// First element, counted in elements from the start of `buffer`.
  public let offset: Int
  public let rows: Int
  public let columns: Int
  /// Elements from the start of one row to the start of the next; at least `columns` unless there is one row.
  public let rowStride: Int
  public let scalar: Scalar

  public init(
    buffer: Buffer, offset: Int = 0, rows: Int, columns: Int, rowStride: Int? = nil, scalar: Scalar = .float32
  ) {
    let rowStride = rowStride ?? columns
    precondition(rows > 0 && columns > 0 && offset >= 0, "a matrix needs rows and columns, got \(rows)×\(columns)")
    precondition(rowStride >= columns || rows == 1, "row stride \(rowStride) is less than \(columns) columns")
    self.buffer = buffer
    self.offset = offset
    self.rows = rows
    self.columns = columns
    self.rowStride = rowStride
    self.scalar = scalar
  }

  /// The shape as text for messages.
  public var shape: String { "\(rows)×\(columns)" + (scalar == .float32 ? "" : " \(scalar.rawValue)") }

  /// Bytes of all elements.
  public var bytes: Int { rows * columns * scalar.bytes }

  /// A view of some rows.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of a \(shape) matrix")
    return Matrix(
      buffer: buffer, offset: offset + range.lowerBound * rowStride, rows: range.count, columns: columns,
      rowStride: rowStride, scalar: scalar)
  }

  /// The view of one of `count` equal ranges of rows.
  public func part(_ index: Int, of count: Int) -> Matrix {
    precondition(count > 0 && rows % count == 0, "\(count) equal parts of a \(shape) matrix")
    return rows(index * (rows / count)..<(index + 1) * (rows / count))
  }

  /// A view of some columns.
  public func columns(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of a \(shape) matrix")
    return Matrix(
      buffer: buffer, offset: offset + range.lowerBound, rows: rows, columns: range.count, rowStride: rowStride,
      scalar: scalar)
  }

  /// A view of rows `first, first + step, …`.
  public func everyRow(_ step: Int, from first: Int = 0) -> Matrix {
    precondition(step > 0 && first >= 0 && first < rows, "every \(step) rows from \(first) of a \(shape) matrix")
    return Matrix(
      buffer: buffer, offset: offset + first * rowStride, rows: (rows - first + step - 1) / step, columns: columns,
      rowStride: rowStride * step, scalar: scalar)
  }
}
