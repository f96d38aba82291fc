/// Which kernels a device runs: the same operations, shaped for a class of devices.
public enum KernelVariant: String, Sendable, CaseIterable {
  /// Work-group tiles in local memory and register micro-tiles, for GPUs; right on every device.
  case portable
  /// One work-item per register tile, vectors of 16 floats and no barriers, for processors.
  case cpu
}
