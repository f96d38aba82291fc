/// What crossed between the host and a device since its backend was made.
///
/// Residency is a property that tests count: per image, pixels go up, relevance and the embedding come down.
public struct Traffic: Sendable, Equatable {
  public var uploadedBytes = 0
  public var downloadedBytes = 0
  /// Bytes of weights given to `prepare`, as stored by the backend.
  public var weightBytes = 0
  /// Bytes of weights that went to the device because they are not always there.
  public var streamedBytes = 0
  /// Times that the host waited for the device.
  public var waits = 0
  /// Kernels that were launched.
  public var launches = 0
  /// Times that the host handed kernels to the device: one by itself, or many that were recorded.
  public var enqueues = 0

  public init() {}

  public static func + (left: Traffic, right: Traffic) -> Traffic { left.combined(with: right, by: +) }

  public static func - (later: Traffic, earlier: Traffic) -> Traffic { later.combined(with: earlier, by: -) }

  private func combined(with other: Traffic, by operation: (Int, Int) -> Int) -> Traffic {
    var result = Traffic()
    for field in Self.fields {
      result[keyPath: field] = operation(self[keyPath: field], other[keyPath: field])
    }
    return result
  }

  private static var fields: [WritableKeyPath<Traffic, Int>] {
    [\.uploadedBytes, \.downloadedBytes, \.weightBytes, \.streamedBytes, \.waits, \.launches, \.enqueues]
  }
}
