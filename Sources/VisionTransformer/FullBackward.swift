package import Compute

/// The memory of a backward through whole blocks, for a stack of prompts.
package struct FullGradients<B: Backend>: Sendable {
  /// The gradient at the residual stream: of a block's output, and of its input once it is done
  /// `[images · prompts · tokens, width]`.
  package let stream: Matrix<B.Buffer>
  /// At the stream between attention and MLP: same shape.
  let middle: Matrix<B.Buffer>
  /// At the attention's output: same shape.
  package let attentionOutput: Matrix<B.Buffer>
  /// At the MLP's activation.
  let hidden: Matrix<B.Buffer>
  let queriesKeysValues: Matrix<B.Buffer>

  package struct Slots: Sendable {
    let stream, middle, attentionOutput, hidden, queriesKeysValues: WorkspacePlan.Slot
  }

  package static func reserve(rows: Int, shape: BlockShape, in plan: inout WorkspacePlan) -> Slots {
    Slots(
      stream: plan.reserve(rows: rows, columns: shape.width),
      middle: plan.reserve(rows: rows, columns: shape.width),
      attentionOutput: plan.reserve(rows: rows, columns: shape.width),
      hidden: plan.reserve(rows: rows, columns: shape.mlpWidth),
      queriesKeysValues: plan.reserve(rows: rows, columns: 3 * shape.width))
  }

  package init(_ slots: Slots, in workspace: Workspace<B>) {
    stream = workspace[slots.stream]
    middle = workspace[slots.middle]
    attentionOutput = workspace[slots.attentionOutput]
    hidden = workspace[slots.hidden]
    queriesKeysValues = workspace[slots.queriesKeysValues]
  }

  /// The rows that a smaller stack needs.
  package init(_ gradients: FullGradients, rows: Int) {
    stream = gradients.stream.rows(0..<rows)
    middle = gradients.middle.rows(0..<rows)
    attentionOutput = gradients.attentionOutput.rows(0..<rows)
    hidden = gradients.hidden.rows(0..<rows)
    queriesKeysValues = gradients.queriesKeysValues.rows(0..<rows)
  }
}

extension TransformerBlock {
  /// From `gradients.stream` at the block's output to `gradients.attentionOutput`: MLP and output projection. The
  /// activations are those of this block, by `forwardToHidden` with the derivative kept.
  package func backwardToAttention(
    _ activations: BlockActivations<B>, stack: PromptStack, gradients: FullGradients<B>, on backend: B
  ) throws(BackendError) {
    guard let derivative = activations.hiddenDerivative else {
      preconditionFailure("a backward needs the activation's derivative")
    }
    try backend.matmul(
      Matmul(input: gradients.stream, weight: mlpOutput.weight, side: .inputs, output: gradients.hidden))
    try backend.activationBackward(
      ActivationBackward(
        upstream: gradients.hidden, derivative: derivative, stack: stack, gradient: gradients.hidden))
    try backend.matmul(
      Matmul(input: gradients.hidden, weight: mlpInput.weight, side: .inputs, output: gradients.middle))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.middle, input: activations.middle, statistics: activations.middleStatistics,
        scale: mlpNorm.scale, stack: stack, output: gradients.middle))
    try backend.addRows(AddRows(input: gradients.middle, addend: gradients.stream, output: gradients.middle))
    try backend.matmul(
      Matmul(
        input: gradients.middle, weight: attentionOutput.weight, side: .inputs, output: gradients.attentionOutput))
  }

  /// From `gradients.attentionOutput` to `gradients.stream` at the block's input: attention, its projections and the
  /// residual beside them.
  package func backwardFromAttention(
    _ activations: BlockActivations<B>, stack: PromptStack, gradients: FullGradients<B>, on backend: B
  ) throws(BackendError) {
    guard let statistics = activations.inputStatistics else {
      preconditionFailure("a backward to a block's input needs its statistics")
    }
    let (width, tokens) = (shape.width, stack.tokens)
    for row in 0..<gradients.stream.rows / tokens {
      let rows = row * tokens..<(row + 1) * tokens
      let shared = row / stack.prompts * tokens..<(row / stack.prompts + 1) * tokens
      let gradient = gradients.queriesKeysValues.rows(rows)
      try backend.attentionBackward(
        AttentionBackward(
          upstream: gradients.attentionOutput.rows(rows), queries: activations.queries.rows(shared),
          keys: activations.keys.rows(shared), values: activations.values.rows(shared), heads: shape.heads,
          tokens: tokens, queryGradient: gradient.columns(0..<width), keyGradient: gradient.columns(width..<2 * width),
          valueGradient: gradient.columns(2 * width..<3 * width)))
    }
    try backend.matmul(
      Matmul(
        input: gradients.queriesKeysValues, weight: queriesKeysValues.weight, side: .inputs, output: gradients.stream))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.stream, input: activations.stream, statistics: statistics, scale: attentionNorm.scale,
        stack: stack, output: gradients.stream))
    try backend.addRows(AddRows(input: gradients.stream, addend: gradients.middle, output: gradients.stream))
  }

  /// `forwardToHidden` from a kept input, for a backward to read: nothing before the block is computed again.
  package func recompute(
    _ activations: BlockActivations<B>, from input: Matrix<B.Buffer>, tokens: Int, on backend: B
  ) throws(BackendError) {
    try forwardToHidden(activations.reading(input), tokens: tokens, mask: .none, keepDerivative: true, on: backend)
  }
}

extension FullGradients {
  /// Starts a backward at a block's attention whose gradients are zero but in the first row of each sequence.
  package func startFromFirstRows(
    middle first: Matrix<B.Buffer>, attentionOutput firstOutput: Matrix<B.Buffer>, tokens: Int, on backend: B
  ) throws(BackendError) {
    for (rows, matrix) in [(first, middle), (firstOutput, attentionOutput)] {
      try backend.fill(Fill(matrix, with: 0))
      try backend.copy(Copy(rows, to: matrix.everyRow(tokens)))
    }
  }
}
