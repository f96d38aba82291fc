public import Compute
import OpenCLRuntime

/// A weight matrix `[outputs, inputs]` in the layout of its backend's kernel variant.
public final class OpenCLWeight: Sendable {
  /// Where it is.
  enum Place: Sendable {
    /// Always in device memory.
    case resident(OpenCLBuffer)
    /// In host memory, and on the device while its group is.
    case streamed(HostCopy, group: WeightGroup)
  }

  public let outputs: Int
  public let inputs: Int
  public let precision: Precision
  let layout: WeightLayout
  let place: Place

  init(_ layout: WeightLayout, precision: Precision, place: Place) {
    outputs = layout.outputs
    inputs = layout.inputs
    self.precision = precision
    self.layout = layout
    self.place = place
  }

  /// Bytes as stored, filling included.
  public var bytes: Int { layout.bytes(precision) }
}

/// How a weight lies in memory: both sides filled up with zeros to multiples of the variant's tile, so that kernels
/// read whole tiles from either side.
struct WeightLayout: Sendable, Equatable {
  let outputs: Int
  let inputs: Int
  let tile: Int

  init(outputs: Int, inputs: Int, _ variant: KernelVariant) {
    self.outputs = outputs
    self.inputs = inputs
    tile =
      switch variant {
      case .portable, .matrix: 128
      case .cpu: 32
      }
  }

  var paddedOutputs: Int { outputs.roundedUp(to: tile) }
  var paddedInputs: Int { inputs.roundedUp(to: tile) }

  /// Bytes of the stored weight; the largest number where it exceeds the address space.
  func bytes(_ precision: Precision) -> Int {
    let (count, overflow) = paddedOutputs.multipliedReportingOverflow(by: paddedInputs)
    let (bytes, bytesOverflow) = count.multipliedReportingOverflow(by: precision.bytes)
    return overflow || bytesOverflow ? Int.max : bytes
  }
}

extension Int {
  func roundedUp(to multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
