public import Compute
import OpenCLRuntime

/// A weight matrix `[outputs, inputs]` on the device, in the layout of its backend's kernel variant.
public final class OpenCLWeight: Sendable {
  public let outputs: Int
  public let inputs: Int
  /// Rows and columns as stored, filled up with zeros to whole tiles.
  let paddedOutputs: Int
  let paddedInputs: Int
  public let precision: Precision
  let memory: OpenCLMemory
  private let pool: DeviceMemory

  /// Uninitialised memory for a weight; both sides are filled up to multiples of `tile`.
  init(outputs: Int, inputs: Int, tile: Int, precision: Precision, in pool: DeviceMemory) throws(OpenCLError) {
    self.outputs = outputs
    self.inputs = inputs
    paddedOutputs = outputs.roundedUp(to: tile)
    paddedInputs = inputs.roundedUp(to: tile)
    self.precision = precision
    let (count, overflow) = paddedOutputs.multipliedReportingOverflow(by: paddedInputs)
    let (bytes, bytesOverflow) = count.multipliedReportingOverflow(by: precision.bytes)
    memory = try pool.allocate(overflow || bytesOverflow ? Int.max : bytes)
    self.pool = pool
  }

  deinit { pool.released(memory.bytes) }

  /// Bytes as stored, filling included.
  public var bytes: Int { memory.bytes }
}

extension Int {
  func roundedUp(to multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
