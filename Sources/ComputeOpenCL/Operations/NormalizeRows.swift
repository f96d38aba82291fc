public import Compute

extension OpenCLBackend {
  public func normalizeRows(_ operation: NormalizeRows<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "normalizeRows", "there is no kernel")
  }

  public func normalizeRowsBackward(_ operation: NormalizeRowsBackward<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "normalizeRowsBackward", "there is no kernel")
  }
}
