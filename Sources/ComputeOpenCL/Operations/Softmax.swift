public import Compute

extension OpenCLBackend {
  public func softmax(_ operation: Softmax<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "softmax", "there is no kernel")
  }

  public func softmaxBackward(_ operation: SoftmaxBackward<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "softmaxBackward", "there is no kernel")
  }
}
