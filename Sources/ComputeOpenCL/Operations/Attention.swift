public import Compute

extension OpenCLBackend {
  public func attention(_ operation: Attention<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "attention", "there is no kernel")
  }

  public func attentionBackward(_ operation: AttentionBackward<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "attentionBackward", "there is no kernel")
  }
}
