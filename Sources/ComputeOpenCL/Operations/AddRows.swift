public import Compute

extension OpenCLBackend {
  public func addRows(_ operation: AddRows<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "addRows", "there is no kernel")
  }
}
