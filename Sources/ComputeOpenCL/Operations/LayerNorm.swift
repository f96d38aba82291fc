public import Compute

extension OpenCLBackend {
  public func layerNorm(_ operation: LayerNorm<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "layerNorm", "there is no kernel")
  }

  public func layerNormBackward(_ operation: LayerNormBackward<OpenCLBuffer>) throws(BackendError) {
    throw BackendError(.unsupported, operation: "layerNormBackward", "there is no kernel")
  }
}
