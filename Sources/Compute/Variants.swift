/// A family of vector instructions that the CPU's inner loops are built for, from the slowest to the fastest.
public enum InstructionSet: String, Sendable, CaseIterable {
  /// 16-byte vectors: what every processor has.
  case portable
  /// 32-byte vectors with fused multiply-add.
  case avx2
  /// 64-byte vectors.
  case avx512
  /// 64-byte vectors with products of bfloat16 pairs.
  case avx512bf16
}

/// Which kernels an OpenCL device runs: the same operations, shaped for a class of devices.
public enum KernelVariant: String, Sendable, CaseIterable {
  /// Work-group tiles in local memory and register micro-tiles, for GPUs; right on every device.
  case portable
  /// One work-item per register tile, vectors of 16 floats and no barriers, for processors.
  case cpu
}
