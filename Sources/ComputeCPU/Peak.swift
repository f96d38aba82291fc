public import Compute

extension CPUBackend {
  /// The fastest storage of weights that this machine multiplies natively.
  public static var fastestPrecision: Precision {
    availableInstructionSets.contains(.avx512bf16) ? .bf16 : .f32
  }

  public func measurePeak() throws(BackendError) -> Double { 0 }
}
