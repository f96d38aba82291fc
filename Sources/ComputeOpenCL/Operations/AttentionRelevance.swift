public import Compute

extension OpenCLBackend {
  public func attentionRelevance(_ operation: AttentionRelevance<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "attentionRelevance", "there is no kernel")
  }
}
