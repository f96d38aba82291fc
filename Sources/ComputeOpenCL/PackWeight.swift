import Compute
import OpenCLRuntime

extension OpenCLBackend {
  /// Packs row-major floats into the variant's layout and the backend's precision.
  /// - Returns: how many finite values became infinite.
  func packWeight(
    _ values: Matrix<OpenCLBuffer>, _ layout: WeightLayout, into target: OpenCLMemory, on stream: CommandStream
  ) throws(OpenCLError) -> Int {
    throw OpenCLError(call: "packWeight", status: .success, detail: "there is no kernel")
  }
}
