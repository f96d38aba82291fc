public import Compute
import OpenCLRuntime

extension OpenCLBackend {
  public func makeMatrix(rows: Int, columns: Int) throws(BackendError) -> Matrix<OpenCLBuffer> {
    precondition(rows > 0 && columns > 0, "makeMatrix: \(rows)×\(columns)")
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    let floats = overflow ? Int.max : count
    do {
      return Matrix(buffer: try OpenCLBuffer(floats: floats, in: memory), rows: rows, columns: columns)
    } catch {
      throw BackendError(
        error, operation: "makeMatrix", device: device,
        bytesNeeded: floats > Int.max / MemoryLayout<Float>.size ? Int.max : floats * MemoryLayout<Float>.size)
    }
  }

  public func upload(_ values: Span<Float>, to matrix: Matrix<OpenCLBuffer>) throws(BackendError) {
    precondition(
      values.count == matrix.rows * matrix.columns, "upload: \(values.count) values for a \(matrix.shape) matrix")
    let copy = HostCopy(values)
    try perform("upload") { stream throws(OpenCLError) in try stream.upload(copy, to: matrix.region) }
    count { $0.uploadedBytes += values.count * MemoryLayout<Float>.size }
  }

  public func download(_ matrix: Matrix<OpenCLBuffer>, into values: inout MutableSpan<Float>) throws(BackendError) {
    precondition(
      values.count == matrix.rows * matrix.columns, "download: a \(matrix.shape) matrix into \(values.count) values")
    unsafe try values.withUnsafeMutableBytes { bytes throws(BackendError) in
      guard let start = bytes.baseAddress else { return }
      try perform("download") { stream throws(OpenCLError) in
        unsafe try stream.download(matrix.region, into: start)
      }
    }
    count { $0.downloadedBytes += matrix.rows * matrix.columns * MemoryLayout<Float>.size }
  }
}
