public import Compute

extension OpenCLBackend {
  public func patchify(_ operation: Patchify<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "patchify", "there is no kernel")
  }
}
