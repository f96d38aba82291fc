public import Compute
public import Failures

/// Why a tower could not be built or encode: the checkpoint or the backend.
public enum ModelError: LegibleError {
  case checkpoint(CheckpointError)
  case backend(BackendError)

  private var error: any LegibleError {
    switch self {
    case .checkpoint(let error): error
    case .backend(let error): error
    }
  }

  public var kind: FailureKind { error.kind }
  public var message: Message { error.message }
  public var bytesNeeded: Int? { error.bytesNeeded }
}
