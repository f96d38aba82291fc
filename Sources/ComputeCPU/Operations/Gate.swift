import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func gate(_ operation: Gate<CPUBuffer>) throws(BackendError) {
    let (input, output) = (operation.input, operation.output)
    let arguments = unsafe legrad_gate(
      activation: legrad_activation(operation.activation), input: .init(input), columns: output.columns,
      output: .init(output), derivative: .init(operation.derivative))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.gate) }
  }
}
