import Compute
import TestSupport
import Testing

struct Float64ProductTests {
  static let sizes = [(1, 1, 1), (3, 5, 2), (17, 64, 33), (2, 131, 16), (13, 7, 65), (9, 300, 31)]

  @Test(arguments: TestBackend.available.filter { $0.precision == .f32 }, sizes)
  func product(_ backend: TestBackend, _ size: (rows: Int, inner: Int, columns: Int)) throws {
    let left = DoubleMatrix.random(size.rows, size.inner, seed: 400)
    for rightIsTransposed in [false, true] {
      let right = DoubleMatrix.random(
        rightIsTransposed ? size.columns : size.inner, rightIsTransposed ? size.inner : size.columns, seed: 401)
      let expected = Oracle.matmul(left, weight: right, side: rightIsTransposed ? .outputs : .inputs)
      let operation = Float64Product(
        Float64Matrix(rows: left.rows, columns: left.columns, values: left.values),
        Float64Matrix(rows: right.rows, columns: right.columns, values: right.values),
        rightIsTransposed: rightIsTransposed)
      let actual = try backend.open().multiply(operation)
      #expect(actual.rows == expected.rows && actual.columns == expected.columns)
      let worst = zip(actual.values, expected.values).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= 1e-13 * Double(size.inner).squareRoot(), "transposed: \(rightIsTransposed)")
    }
  }
}
