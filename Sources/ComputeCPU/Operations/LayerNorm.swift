import CSimd
public import Compute

extension CPUBackend {
  public func layerNorm(_ operation: LayerNorm<CPUBuffer>) throws(BackendError) {
    let (input, output, statistics) = (operation.input, operation.output, operation.statistics)
    switch output.scalar {
    case .float32:
      let arguments = unsafe legrad_layer_norm(
        input: input.base, input_stride: input.rowStride, scale: operation.scale.base, shift: operation.shift.base,
        epsilon: operation.epsilon, columns: input.columns, output: output.base, output_stride: output.rowStride,
        statistics: statistics?.base, statistics_stride: statistics?.rowStride ?? 0)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.layer_norm) }
    case .float64:
      let arguments = unsafe legrad_double_layer_norm(
        input: input.doubles, input_stride: input.rowStride, scale: operation.scale.doubles,
        shift: operation.shift.doubles, epsilon: Double(operation.epsilon), columns: input.columns,
        output: output.doubles, output_stride: output.rowStride, statistics: statistics?.doubles,
        statistics_stride: statistics?.rowStride ?? 0)
      perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.double_layer_norm) }
    }
  }

  public func layerNormBackward(_ operation: LayerNormBackward<CPUBuffer>) throws(BackendError) {
    let arguments = unsafe legrad_layer_norm_backward(
      upstream: operation.upstream.base, upstream_stride: operation.upstream.rowStride, input: operation.input.base,
      input_stride: operation.input.rowStride, statistics: operation.statistics.base,
      statistics_stride: operation.statistics.rowStride, scale: operation.scale.base,
      stack: legrad_stack(operation.stack), factor: operation.factor, addend: operation.addend?.base,
      addend_stride: operation.addend?.rowStride ?? 0, columns: operation.output.columns,
      output: operation.output.base, output_stride: operation.output.rowStride)
    perform { crew in unsafe crew.run(rowsOf: operation.output, arguments, kernels.table.layer_norm_backward) }
  }
}

extension legrad_stack {
  init(_ stack: PromptStack) { self.init(prompts: stack.prompts, tokens: stack.tokens) }
}
