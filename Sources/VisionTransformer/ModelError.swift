public import Compute

/// Why a tower could not be built or encode: the checkpoint or the backend.
public enum ModelError: Error, CustomStringConvertible {
  case checkpoint(CheckpointError)
  case backend(BackendError)

  public var description: String {
    switch self {
    case .checkpoint(let error): error.description
    case .backend(let error): error.description
    }
  }
}
