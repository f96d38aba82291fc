import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func layerNorm(_ operation: LayerNorm<CPUBuffer>) throws(BackendError) {
    let (input, output, statistics) = (operation.input, operation.output, operation.statistics)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_layer_norm(
        input: .init(input), scale: operation.scale.base, shift: operation.shift.base, epsilon: operation.epsilon,
        columns: input.columns, output: .init(output), statistics: .init(statistics))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.layer_norm) }
    case .float64:
      let arguments = unsafe legrad_double_layer_norm(
        input: .init(input), scale: operation.scale.doubles, shift: operation.shift.doubles,
        epsilon: Double(operation.epsilon), columns: input.columns, output: .init(output),
        statistics: .init(statistics))
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_layer_norm) }
    }
  }

  public func layerNormBackward(_ operation: LayerNormBackward<CPUBuffer>) throws(BackendError) {
    for part in operation.parts { backward(part) }
  }

  private func backward(_ operation: LayerNormBackward<CPUBuffer>) {
    let (upstream, output) = (operation.upstream, operation.output)
    let arguments = unsafe legrad_layer_norm_backward(
      upstream: .init(upstream), upstream_per_prompt: upstream.rows != output.rows, input: .init(operation.input),
      statistics: .init(operation.statistics), scale: operation.scale.base, stack: legrad_stack(operation.stack),
      factor: operation.factor, addend: .init(operation.addend), columns: output.columns, output: .init(output))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.layer_norm_backward) }
  }
}

extension legrad_stack {
  init(_ stack: RowStack) { self.init(prompts: stack.copies, tokens: stack.rows) }
}
