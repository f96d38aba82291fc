import CSimd
public import Compute
import Failures

/// A weight matrix in column panels, as the register tiles of one instruction set read them.
public final class CPUWeight: Sendable {
  public let outputs: Int
  public let inputs: Int
  public let precision: Precision
  let tileColumns: Int
  let memory: AlignedMemory

  init(outputs: Int, inputs: Int, precision: Precision, tileColumns: Int) throws(BackendError) {
    self.outputs = outputs
    self.inputs = inputs
    self.precision = precision
    self.tileColumns = tileColumns
    // Both sides are filled up to whole tiles: the transposed side reads whole squares.
    let (paddedOutputs, outputsOverflow) = outputs.roundedUpReportingOverflow(to: tileColumns)
    let (paddedInputs, inputsOverflow) = inputs.roundedUpReportingOverflow(to: tileColumns)
    let (count, overflow) = paddedOutputs.multipliedReportingOverflow(by: paddedInputs)
    memory = try AlignedMemory(
      count: outputsOverflow || inputsOverflow || overflow ? Int.max : count, elementSize: precision.bytes,
      operation: .prepare)
  }

  /// Bytes as stored, filling included.
  public var bytes: Int { memory.bytes }

  var panels: Int { (outputs + tileColumns - 1) / tileColumns }
  var paddedInputs: Int { (inputs + tileColumns - 1) / tileColumns * tileColumns }

  var description: legrad_weight {
    let storage =
      switch precision {
      case .f32: LEGRAD_F32
      case .f16: LEGRAD_F16
      case .bf16: LEGRAD_BF16
      }
    return unsafe legrad_weight(
      storage: storage, outputs: outputs, inputs: inputs, padded_inputs: paddedInputs, panels: memory.base)
  }
}

extension Int {
  fileprivate func roundedUpReportingOverflow(to multiple: Int) -> (Int, overflow: Bool) {
    let (sum, overflow) = addingReportingOverflow(multiple - 1)
    return (sum / multiple * multiple, overflow)
  }
}
