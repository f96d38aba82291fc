public import Compute

extension OpenCLBackend {
  public func gatherRows(_ operation: GatherRows<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "gatherRows", "there is no kernel")
  }
}
