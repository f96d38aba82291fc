public import Compute

extension OpenCLBackend {
  public func keyScores(_ operation: KeyScores<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "keyScores", "OpenCL has no kernel for it; use --device cpu")
  }
}
