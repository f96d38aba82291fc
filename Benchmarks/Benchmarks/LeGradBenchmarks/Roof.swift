import Compute
import ComputeCPU
import OperationSamples

/// What a benchmark is held against.
enum Roof: Sendable {
  /// Arithmetic operations, a multiply-add counted as two; the roof is the float32 peak.
  case arithmetic
  /// Bytes when everything is read and written once; the roof is the speed of a copy in the device's memory, which is
  /// no bound for what stays in caches.
  case traffic

  var unit: String {
    switch self {
    case .arithmetic: "GFLOP/s"
    case .traffic: "GB/s"
    }
  }

  var name: String {
    switch self {
    case .arithmetic: "peak"
    case .traffic: "copy"
    }
  }

  /// Operations or bytes per second that the device reaches at best.
  func measure(on backend: some Backend) throws -> Double {
    switch self {
    case .arithmetic: return try backend.measurePeak()
    case .traffic:
      if let cpu = backend as? CPUBackend { return MemoryBandwidth.measure(threads: cpu.threadCount) }
      return try copySpeed(of: backend)
    }
  }

  private func copySpeed<B: Backend>(of backend: B) throws -> Double {
    let (rows, columns) = (1 << 13, 1 << 12)
    let copy = Copy(
      try backend.makeMatrix(rows: rows, columns: columns), to: try backend.makeMatrix(rows: rows, columns: columns))
    try backend.fill(Fill(copy.source, with: 1))
    let seconds = try OperationTimer(repetitions: 16).seconds(
      of: { () throws(BackendError) in try backend.copy(copy) }, on: backend)
    return Double(2 * copy.source.bytes) / (seconds.min() ?? .infinity)
  }
}
