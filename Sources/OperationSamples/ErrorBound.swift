public import Compute

extension OperationName {
  /// The largest normalised mean square error that the operation may have, against the oracle or a backend that is
  /// trusted. Sums, statistics, softmax and pointwise operations are float32 whatever the precision; products read
  /// weights and inputs as the precision stores them.
  public func bound(_ precision: Precision, scalar: Scalar = .float32) -> Double {
    if scalar == .float64 { return 1e-24 }
    switch isProduct ? precision : .f32 {
    case .f32: return 1e-10
    // Operands to sixteen bits: a single product errs by 2⁻¹⁵ at most.
    case .bf16Split: return 1e-9
    case .f16: return 1e-5
    case .bf16: return 1e-4
    }
  }
}
