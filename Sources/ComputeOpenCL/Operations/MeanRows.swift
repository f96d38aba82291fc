public import Compute

extension OpenCLBackend {
  public func meanRows(_ operation: MeanRows<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "meanRows", "there is no kernel")
  }
}
