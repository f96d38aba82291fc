/// Bytes that crossed between the host and a backend's memory since the backend was made.
///
/// Residency is a property that tests count: per image, pixels go up, relevance and the embedding come down.
public struct Traffic: Sendable, Equatable {
  public var uploadedBytes = 0
  public var downloadedBytes = 0
  /// Bytes of weights given to `prepare`, as stored by the backend.
  public var weightBytes = 0

  public init() {}

  public static func - (later: Traffic, earlier: Traffic) -> Traffic {
    var difference = Traffic()
    difference.uploadedBytes = later.uploadedBytes - earlier.uploadedBytes
    difference.downloadedBytes = later.downloadedBytes - earlier.downloadedBytes
    difference.weightBytes = later.weightBytes - earlier.weightBytes
    return difference
  }
}
