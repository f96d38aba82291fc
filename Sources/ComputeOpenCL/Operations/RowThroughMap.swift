public import Compute

extension OpenCLBackend {
  public func rowThroughMap(_ operation: RowThroughMap<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "rowThroughMap", "OpenCL has no kernel for it; use --device cpu")
  }
}
