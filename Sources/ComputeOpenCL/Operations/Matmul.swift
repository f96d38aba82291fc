public import Compute

extension OpenCLBackend {
  public func matmul(_ operation: Matmul<OpenCLBuffer, OpenCLWeight>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "matmul", "there is no kernel")
  }

  public func measurePeak() throws(BackendError) -> Double {
    throw BackendError(.unsupported, operation: "measurePeak", "there is no kernel")
  }
}
