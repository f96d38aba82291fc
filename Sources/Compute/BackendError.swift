public import Failures

/// Why a backend could not do what it was asked.
public struct BackendError: LegibleError {
  /// What kind of failure it was; callers choose a fallback by it.
  public enum Code: String, Sendable {
    /// The device is missing or cannot be used.
    case unavailable
    /// Memory could not be had; `bytesNeeded` says how much was asked for.
    case outOfMemory
    /// The device does not offer what the operation needs.
    case unsupported
    /// An operation failed while it ran.
    case launchFailed
    /// The file that holds a weight can no longer be read, or was changed.
    case weightLost
    /// The caller gave the work up.
    case cancelled
  }

  public let code: Code
  /// What failed, without the operation.
  public let reason: Message
  /// What to try, where the reason does not say it.
  public let advice: Message?
  public let operation: OperationName
  public let bytesNeeded: Int?

  public init(
    _ code: Code, operation: OperationName, _ reason: Message, advice: Message? = nil, bytesNeeded: Int? = nil
  ) {
    self.code = code
    self.operation = operation
    self.reason = reason
    self.advice = advice
    self.bytesNeeded = bytesNeeded
  }

  public var kind: FailureKind {
    switch code {
    case .outOfMemory: .memory
    case .weightLost: .input
    case .cancelled: .cancelled
    case .unavailable, .unsupported, .launchFailed: .device
    }
  }

  public var message: Message {
    let line: Message = "\(operation.rawValue): \(reason)"
    guard let advice else { return line }
    return "\(line); \(advice)"
  }
}
