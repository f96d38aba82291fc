package import Compute
import Failures

/// The memory of a backward through whole blocks, for a stack of prompts.
package struct FullGradients<B: Backend>: Sendable {
  /// The gradient at the residual stream: of a block's output, and of its input once it is done
  /// `[images · prompts · tokens, width]`.
  @Planned package private(set) var stream: Matrix<B.Buffer>
  /// At the stream between attention and MLP: same shape.
  @Planned private(set) var middle: Matrix<B.Buffer>
  /// At the attention's output: same shape.
  @Planned package private(set) var attentionOutput: Matrix<B.Buffer>
  /// At what the MLP's second product reads.
  @Planned private(set) var hidden: Matrix<B.Buffer>
  /// Where it is not in the place of `hidden`: at the activation that is normalised, and at what the first product of a
  /// gated MLP gives.
  @Planned fileprivate(set) var activated: Matrix<B.Buffer>?
  @Planned fileprivate(set) var gated: Matrix<B.Buffer>?
  @Planned private(set) var queriesKeysValues: Matrix<B.Buffer>

  package init(rows: Int, shape: BlockShape, in plan: inout WorkspacePlan<B>) {
    _stream = plan.reserve(rows: rows, columns: shape.width)
    _middle = plan.reserve(rows: rows, columns: shape.width)
    _attentionOutput = plan.reserve(rows: rows, columns: shape.width)
    _hidden = plan.reserve(rows: rows, columns: shape.mlpWidth)
    _activated = plan.reserve(rows: rows, columnsIfAny: shape.hasHiddenNorm ? shape.mlpWidth : nil)
    _gated = plan.reserve(rows: rows, columnsIfAny: shape.isGated ? shape.mlpInputWidth : nil)
    _queriesKeysValues = plan.reserve(rows: rows, columns: 3 * shape.width)
  }

  /// The rows that a smaller stack needs.
  package func part(rows: Int) -> FullGradients {
    var part = self
    part.stream = stream.rows(0..<rows)
    part.middle = middle.rows(0..<rows)
    part.attentionOutput = attentionOutput.rows(0..<rows)
    part.hidden = hidden.rows(0..<rows)
    part.activated = activated?.rows(0..<rows)
    part.gated = gated?.rows(0..<rows)
    part.queriesKeysValues = queriesKeysValues.rows(0..<rows)
    return part
  }
}

extension BlockGroup {
  /// From `gradients.stream` at each block's output to `gradients.attentionOutput`: MLP and output projection. The
  /// activations are those of these blocks, by `forwardToHidden` with the derivative kept.
  package func backwardToAttention(
    _ activations: BlockActivations<B>, stack: RowStack, gradients: FullGradients<B>, on backend: B
  ) throws(BackendError) {
    let product = gradients.gated ?? gradients.hidden
    try backward(through: \.mlpOutput, gradients.stream, to: gradients.hidden, on: backend)
    try activationBackward(
      activations, gradient: gradients.hidden, stack: stack, scratch: gradients.activated, output: product,
      on: backend)
    try backward(through: \.mlpInput, product, to: gradients.middle, on: backend)
    try mlpNormBackward(activations, stack: stack, gradient: gradients.middle, on: backend)
    try backend.addRows(AddRows(input: gradients.middle, addend: gradients.stream, output: gradients.middle))
    try backward(through: \.attentionOutput, gradients.middle, to: gradients.attentionOutput, on: backend)
    try attendedBackward(activations, stack: stack, gradient: gradients.attentionOutput, on: backend)
  }
}

extension TransformerBlock {
  /// From `gradients.attentionOutput` to `gradients.stream` at the block's input: attention, its projections and the
  /// residual beside them.
  package func backwardFromAttention(
    _ activations: BlockActivations<B>, stack: RowStack, gradients: FullGradients<B>, on backend: B
  ) throws(BackendError) {
    guard let statistics = activations.inputStatistics else {
      preconditionFailure("a backward to a block's input needs its statistics")
    }
    let (width, tokens) = (shape.width, stack.rows)
    for row in 0..<gradients.stream.rows / tokens {
      let rows = row * tokens..<(row + 1) * tokens
      let shared = row / stack.copies * tokens..<(row / stack.copies + 1) * tokens
      let gradient = gradients.queriesKeysValues.rows(rows)
      try backend.attentionBackward(
        AttentionBackward(
          upstream: gradients.attentionOutput.rows(rows), queries: activations.queries.rows(shared),
          keys: activations.keys.rows(shared), values: activations.values.rows(shared), heads: shape.heads,
          tokens: tokens, queryGradient: gradient.columns(0..<width), keyGradient: gradient.columns(width..<2 * width),
          valueGradient: gradient.columns(2 * width..<3 * width)))
    }
    try activations.rotation?.turn(gradients.queriesKeysValues, heads: shape.heads, back: true, on: backend)
    try headsBackward(activations, stack: stack, gradient: gradients.queriesKeysValues, on: backend)
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
  package func recompute(_ activations: BlockActivations<B>, tokens: Int, on backend: B) throws(BackendError) {
    try forwardToHidden(activations, tokens: tokens, mask: .none, keepDerivative: true, on: backend)
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
