import Compute
import VisionTransformer

/// Why something could not be explained, in one line that says what to do about it.
public struct LeGradError: Error, Sendable, CustomStringConvertible {
  /// What the failure is about; the command line's exit codes follow it.
  public enum Kind: Sendable {
    /// The request makes no sense for this model.
    case usage
    /// A model, image or data file is missing or bad.
    case input
    /// The device asked for cannot be used.
    case device
    /// Memory could not be had.
    case memory
    /// A run produced numbers that are not finite.
    case numerical
  }

  public let kind: Kind
  public let description: String
  /// Bytes that were needed, where memory was short.
  public let bytesNeeded: Int?

  public init(_ kind: Kind, _ description: String, bytesNeeded: Int? = nil) {
    self.kind = kind
    self.description = description
    self.bytesNeeded = bytesNeeded
  }

  init(_ error: BackendError) {
    let kind: Kind = error.code == .outOfMemory ? .memory : .device
    self.init(kind, error.description, bytesNeeded: error.bytesNeeded)
  }

  init(_ error: ModelError) {
    switch error {
    case .checkpoint(let error): self.init(.input, error.description)
    case .backend(let error): self.init(error)
    }
  }
}
