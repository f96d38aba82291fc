public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public var hasFloat64: Bool { device.hasFloat64 }

  /// Some rounds of groups on the largest GPUs. Weights that stream are there one group at a time, and a processor's
  /// caches want what was just computed.
  public static let rowsToJoinOnGPUs = 4096
  public var rowsToJoin: Int { variant != .cpu && !streamsWeights ? Self.rowsToJoinOnGPUs : 0 }

  public func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<OpenCLBuffer> {
    precondition(rows > 0 && columns > 0, "makeMatrix: \(rows)×\(columns)")
    guard scalar == .float32 || hasFloat64 else {
      throw BackendError(
        .unsupported, operation: .makeMatrix, "\(device.name) has no float64 (cl_khr_fp64); use \(Subject.device) cpu")
    }
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    let bytes = overflow || count > Int.max / scalar.bytes ? Int.max : count * scalar.bytes
    makeRoom(for: bytes)
    do {
      return Matrix(buffer: try OpenCLBuffer(bytes: bytes, in: memory), rows: rows, columns: columns, scalar: scalar)
    } catch {
      freeStaging()
      throw BackendError(error, operation: .makeMatrix, device: device, bytesNeeded: bytes)
    }
  }

  public func upload(_ values: Span<Float>, to matrix: Matrix<OpenCLBuffer>) throws(BackendError) {
    try upload(values, of: .float32, to: matrix)
  }

  public func upload(_ values: Span<Double>, to matrix: Matrix<OpenCLBuffer>) throws(BackendError) {
    try upload(values, of: .float64, to: matrix)
  }

  private func upload<Element: BitwiseCopyable>(
    _ values: Span<Element>, of scalar: Scalar, to matrix: Matrix<OpenCLBuffer>
  ) throws(BackendError) {
    precondition(
      values.count == matrix.rows * matrix.columns && scalar == matrix.scalar,
      "upload: \(values.count) \(scalar.rawValue) values for a \(matrix.shape) matrix")
    let copy = HostCopy(values)
    try perform(.upload) { stream throws(OpenCLError) in try stream.upload(copy, to: matrix.region) }
    count { $0.uploadedBytes += matrix.bytes }
  }

  public func download(_ matrix: Matrix<OpenCLBuffer>, into values: inout MutableSpan<Float>) throws(BackendError) {
    try download(matrix, as: .float32, into: &values)
  }

  public func download(_ matrix: Matrix<OpenCLBuffer>, into values: inout MutableSpan<Double>) throws(BackendError) {
    try download(matrix, as: .float64, into: &values)
  }

  private func download<Element: BitwiseCopyable>(
    _ matrix: Matrix<OpenCLBuffer>, as scalar: Scalar, into values: inout MutableSpan<Element>
  ) throws(BackendError) {
    precondition(
      values.count == matrix.rows * matrix.columns && scalar == matrix.scalar,
      "download: a \(matrix.shape) matrix into \(values.count) \(scalar.rawValue) values")
    unsafe try values.withUnsafeMutableBytes { bytes throws(BackendError) in
      guard let start = bytes.baseAddress else { return }
      try perform(.download) { stream throws(OpenCLError) in
        unsafe try stream.download(matrix.region, into: start)
      }
    }
    count { $0.downloadedBytes += matrix.bytes }
  }
}
