import CSimd
public import Compute
import Failures

extension CPUBackend {
  public var hasFloat64: Bool { true }

  public func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<CPUBuffer> {
    precondition(rows > 0 && columns > 0, "makeMatrix: \(rows)×\(columns)")
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    return Matrix(
      buffer: try CPUBuffer(count: overflow ? Int.max : count, scalar: scalar), rows: rows, columns: columns,
      scalar: scalar)
  }

  /// All weights are in memory, whatever their group.
  public func prepare(
    _ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> CPUWeight {
    precondition(
      rows > 0 && columns > 0 && values.count == rows * columns,
      "prepare: \(values.count) values for a \(rows)×\(columns) weight")
    let weight = try CPUWeight(
      outputs: rows, inputs: columns, precision: precision, tileColumns: kernels.tileColumns)
    let overflows = Overflows()
    unsafe try values.withUnsafeBufferPointer { values throws(BackendError) in
      let packing = unsafe legrad_weight_packing(values: values.baseAddress, weight: weight.description)
      try perform { crew throws(BackendError) in
        unsafe try crew.run(
          weight.panels, packing, scratchCount: weight.paddedInputs * weight.tileColumns, operation: .prepare
        ) { packing, begin, end, scratch in
          overflows.add(unsafe kernels.table.pack_weight(packing, begin, end, scratch))
        }
      }
    }
    if overflows.count > 0 {
      throw BackendError(
        .unsupported, operation: .prepare,
        "\(overflows.count) values of a \(rows)×\(columns) weight exceed the range of \(precision.rawValue); use f32")
    }
    count { $0.weightBytes += weight.bytes }
    return weight
  }

  public func upload(_ values: Span<Float>, to matrix: Matrix<CPUBuffer>) throws(BackendError) {
    unsafe upload(values, to: matrix, at: matrix.base)
  }

  public func upload(_ values: Span<Double>, to matrix: Matrix<CPUBuffer>) throws(BackendError) {
    unsafe upload(values, to: matrix, at: matrix.doubles)
  }

  private func upload<Element>(
    _ values: Span<Element>, to matrix: Matrix<CPUBuffer>, at base: UnsafeMutablePointer<Element>
  ) {
    precondition(
      values.count == matrix.rows * matrix.columns, "upload: \(values.count) values for a \(matrix.shape) matrix")
    perform { _ in
      unsafe values.withUnsafeBufferPointer { values in
        for row in 0..<matrix.rows {
          unsafe (base + row * matrix.rowStride).update(
            from: values.baseAddress! + row * matrix.columns, count: matrix.columns)
        }
      }
    }
    count { $0.uploadedBytes += matrix.bytes }
  }

  public func download(_ matrix: Matrix<CPUBuffer>, into values: inout MutableSpan<Float>) throws(BackendError) {
    unsafe download(matrix, at: matrix.base, into: &values)
  }

  public func download(_ matrix: Matrix<CPUBuffer>, into values: inout MutableSpan<Double>) throws(BackendError) {
    unsafe download(matrix, at: matrix.doubles, into: &values)
  }

  private func download<Element>(
    _ matrix: Matrix<CPUBuffer>, at base: UnsafeMutablePointer<Element>, into values: inout MutableSpan<Element>
  ) {
    precondition(
      values.count == matrix.rows * matrix.columns, "download: a \(matrix.shape) matrix into \(values.count) values")
    unsafe values.withUnsafeMutableBufferPointer { values in
      perform { _ in
        for row in 0..<matrix.rows {
          unsafe (values.baseAddress! + row * matrix.columns).update(
            from: base + row * matrix.rowStride, count: matrix.columns)
        }
      }
    }
    count { $0.downloadedBytes += matrix.bytes }
  }
}
