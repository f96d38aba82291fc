import Files
public import LeGrad

/// Why an evaluation cannot go on, in one line: what failed, expected, found, and the remedy.
public struct EvaluationError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Equatable, Sendable {
    /// What was asked for makes no sense or does not fit together.
    case usage
    /// A dataset, a model or an output is missing, bad, or cannot be written.
    case input
    /// Shards are incomplete or do not belong together.
    case shards
    /// What the explainer reports.
    case device, memory, numerical
  }

  public let kind: Kind
  public let description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  public init(_ error: LeGradError) {
    let kind: Kind =
      switch error.kind {
      case .usage: .usage
      case .input: .input
      case .device: .device
      case .memory: .memory
      case .numerical: .numerical
      }
    self.init(kind, error.description)
  }
}

extension EvaluationError {
  static func usage(_ line: String) -> EvaluationError { EvaluationError(.usage, line) }
  static func shards(_ line: String) -> EvaluationError { EvaluationError(.shards, line) }
  static func input(_ error: FileError) -> EvaluationError { EvaluationError(.input, error.description) }
}
