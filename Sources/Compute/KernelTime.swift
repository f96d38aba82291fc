/// Device time of one kernel.
public struct KernelTime: Sendable, Equatable {
  public private(set) var launches = 0
  public private(set) var nanoseconds: UInt64 = 0

  public init() {}

  /// Counts one launch.
  public mutating func add(nanoseconds: UInt64) {
    launches += 1
    self.nanoseconds += nanoseconds
  }
}
