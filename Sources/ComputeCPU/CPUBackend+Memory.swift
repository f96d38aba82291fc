import CSimd
public import Compute
import Failures
import Synchronization

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
    let weight = try CPUWeight(outputs: rows, inputs: columns, precision: precision, tileColumns: kernels.tileColumns)
    guard case .packed(let memory) = weight.place else { preconditionFailure("a new weight is in memory") }
    var overflows = 0
    unsafe values.withUnsafeBufferPointer { values in
      let source = unsafe legrad_stored_weight(
        type: LEGRAD_F32, part_rows: rows, parts: (UnsafeRawPointer(values.baseAddress), nil, nil))
      perform { crew in overflows = pack(source, weight, into: memory, crew) }
    }
    if overflows > 0 {
      throw BackendError(
        .unsupported, operation: .prepare,
        "\(overflows) values of a \(rows)×\(columns) weight exceed the range of \(precision.rawValue); use f32")
    }
    count { $0.weightBytes += weight.bytes }
    return weight
  }

  /// Packs all panels.
  /// - Returns: how many finite values became infinite.
  func pack(_ source: legrad_stored_weight, _ weight: CPUWeight, into memory: AlignedMemory, _ crew: Crew) -> Int {
    let overflows = Overflows()
    let packing = unsafe legrad_weight_packing(source: source, weight: weight.description(in: memory))
    unsafe withUnsafePointer(to: packing) { packing in
      crew.run(weight.panels) { begin, end in
        overflows.add(unsafe kernels.table.pack_weight(packing, begin, end))
      }
    }
    return overflows.count
  }

  /// The weight stays in its file; its elements are looked at once.
  public func prepare(
    _ stored: StoredWeight, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> CPUWeight? {
    precondition(rows > 0 && columns > 0, "prepare: a \(rows)×\(columns) weight")
    let (elements, overflow) = rows.multipliedReportingOverflow(by: columns)
    let partBytes = elements / stored.parts.count * stored.type.bytes
    precondition(
      !overflow && rows.isMultiple(of: stored.parts.count) && stored.parts.allSatisfy { $0.count == partBytes },
      "prepare: \(stored.parts.map(\.count)) bytes of \(stored.type) for a \(rows)×\(columns) weight")
    for part in stored.parts {
      guard let start = unsafe part.bringIn() else { return nil }
      defer { part.letGo() }
      guard unsafe largestMagnitude(start, part.count, stored.type) < precision.firstInfinite,
        unsafe part.bringIn() != nil
      else { return nil }
    }
    let weight = try CPUWeight(
      outputs: rows, inputs: columns, precision: precision, tileColumns: kernels.tileColumns, stored: stored)
    count { $0.weightBytes += weight.bytes }
    return weight
  }

  /// The float32 bits of the largest magnitude in `bytes` bytes of elements; NaN is larger than any.
  private func largestMagnitude(_ start: UnsafeRawPointer, _ bytes: Int, _ type: Precision) -> UInt32 {
    let largest = Mutex<UInt32>(0)
    perform { crew in
      let piece = 1 << 18
      crew.run((bytes + piece - 1) / piece) { begin, end in
        let range = begin * piece..<min(end * piece, bytes)
        let found = unsafe kernels.table.largest_magnitude(
          type.storage, start + range.lowerBound, range.count / type.bytes)
        largest.withLock { $0 = max($0, found) }
      }
    }
    return largest.withLock { $0 }
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
