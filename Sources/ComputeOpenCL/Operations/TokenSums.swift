public import Compute

extension OpenCLBackend {
  public func tokenSums(_ operation: TokenSums<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "tokenSums", "OpenCL has no kernel for it; use --device cpu")
  }
}
