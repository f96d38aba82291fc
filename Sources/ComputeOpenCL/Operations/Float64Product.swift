public import Compute

extension OpenCLBackend {
  public func multiply(_ operation: Float64Product) throws(BackendError) -> Float64Matrix {
    throw BackendError(.unsupported, operation: "multiply", "OpenCL has no kernel for float64; use --device cpu")
  }
}
