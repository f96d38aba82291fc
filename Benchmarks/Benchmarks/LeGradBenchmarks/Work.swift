/// What one run of a benchmark has to do at least, and so which roof of the machine it is held against.
enum Work: Sendable {
  /// Arithmetic operations, a multiply-add counted as two; the roof is the float32 peak.
  case arithmetic(Double)
  /// Bytes when everything is read and written once; the roof is the speed of a copy in main memory, which is no bound
  /// for what stays in the caches.
  case traffic(Double)

  /// Float32 elements that are read or written.
  static func elements(_ count: Int) -> Work { .traffic(4 * Double(count)) }

  var amount: Double {
    switch self {
    case .arithmetic(let amount), .traffic(let amount): amount
    }
  }

  var unit: String {
    switch self {
    case .arithmetic: "GFLOP/s"
    case .traffic: "GB/s"
    }
  }

  var roofName: String {
    switch self {
    case .arithmetic: "peak"
    case .traffic: "copy"
    }
  }
}
