public import Compute

extension OpenCLBackend {
  public func activate(_ operation: Activate<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "activate", "there is no kernel")
  }

  public func activationBackward(_ operation: ActivationBackward<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "activationBackward", "there is no kernel")
  }
}
