public import Failures

/// Why something could not be explained or evaluated.
public struct LeGradError: LegibleError, Equatable {
  public let kind: FailureKind
  public let message: Message
  public let bytesNeeded: Int?

  public init(_ kind: FailureKind, _ message: Message, bytesNeeded: Int? = nil) {
    self.kind = kind
    self.message = message
    self.bytesNeeded = bytesNeeded
  }

  /// An error of a lower room.
  /// - Parameter kind: what it means here, if not what it means there.
  package init(_ error: some LegibleError, kind: FailureKind? = nil) {
    self.init(kind ?? error.kind, error.message, bytesNeeded: error.bytesNeeded)
  }
}
