/// Why a backend could not do what it was asked, in a form that says what to try.
public struct BackendError: Error, CustomStringConvertible {
  /// What kind of failure it was; callers choose a fallback or an exit code by it.
  public enum Code: String, Sendable {
    /// The device is missing or cannot be used.
    case unavailable
    /// Memory could not be had; `bytesNeeded` says how much was asked for.
    case outOfMemory
    /// The device does not offer what the operation needs.
    case unsupported
    /// An operation failed while it ran.
    case launchFailed
  }

  public let code: Code
  /// What failed and what to try, in one line.
  public let message: String
  public let operation: OperationName
  public let bytesNeeded: Int?

  public init(_ code: Code, operation: OperationName, _ message: String, bytesNeeded: Int? = nil) {
    self.code = code
    self.operation = operation
    self.message = message
    self.bytesNeeded = bytesNeeded
  }

  public var description: String { "\(operation.rawValue): \(message)" }
}
