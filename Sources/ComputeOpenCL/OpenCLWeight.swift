public import Compute
import OpenCLRuntime

/// A weight matrix `[outputs, inputs]` in the layout of its backend's kernel variant.
public final class OpenCLWeight: Sendable {
  /// Where it is.
  enum Place: Sendable {
    /// Always in device memory, from some byte of a buffer on, which weights of other groups may share.
    case resident(OpenCLBuffer, offset: Int)
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

  /// Elements before it in its memory.
  var offset: Int {
    if case .resident(_, let offset) = place { offset / precision.bytes } else { 0 }
  }

  /// Elements from one of the weights to the next, where they lie in one buffer at equal distances; nil where they do
  /// not. 0 for one weight.
  static func step(of weights: [OpenCLWeight]) -> Int? {
    guard weights.count > 1 else { return 0 }
    guard case .resident(let shared, _) = weights[0].place else { return nil }
    let step = weights[1].offset - weights[0].offset
    for (index, weight) in weights.enumerated() {
      guard case .resident(let buffer, _) = weight.place, buffer === shared, weight.layout == weights[0].layout,
        weight.offset == weights[0].offset + index * step
      else { return nil }
    }
    return step > 0 ? step : nil
  }
}

/// How a weight lies in memory: both sides filled up with zeros to multiples of the variant's tile, so that kernels
/// read whole tiles from either side.
struct WeightLayout: Sendable, Hashable {
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
