public import Compute

extension OpenCLBackend {
  public func keyRelevance(_ operation: KeyRelevance<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "keyRelevance", "OpenCL has no kernel for it; use --device cpu")
  }
}
