package import Compute
import Failures

/// The sizes that all blocks of a tower share.
package struct BlockShape: Sendable, Equatable {
  package let width: Int
  package let heads: Int
  package let mlpWidth: Int
  package let activation: Activation
  package let epsilon: Float
}

/// One pre-norm residual block (methods §0): attention and MLP, each added to what came in.
package struct TransformerBlock<B: Backend>: Sendable {
  package let shape: BlockShape
  package let attentionNorm: Norm<B>
  /// Q, K and V in one product, in this order.
  package let queriesKeysValues: Linear<B>
  package let attentionOutput: Linear<B>
  package let mlpNorm: Norm<B>
  package let mlpInput: Linear<B>
  package let mlpOutput: Linear<B>

  /// Reads the block of those tensors.
  init(_ tensors: BlockTensors, shape: BlockShape, group: WeightGroup, loader: LayerLoader<B>) throws(ModelError) {
    let width = shape.width
    self.shape = shape
    attentionNorm = try loader.norm(tensors.attentionNorm, epsilon: shape.epsilon)
    queriesKeysValues = try loader.linear(tensors.attentionInput, outputs: 3 * width, inputs: width, group: group)
    attentionOutput = try loader.linear(tensors.attentionOutput, outputs: width, inputs: width, group: group)
    mlpNorm = try loader.norm(tensors.mlpNorm, epsilon: shape.epsilon)
    mlpInput = try loader.linear(tensors.mlpInput, outputs: shape.mlpWidth, inputs: width, group: group)
    mlpOutput = try loader.linear(tensors.mlpOutput, outputs: width, inputs: shape.mlpWidth, group: group)
  }
}

/// How far the backward of a block goes, which decides what its forward keeps.
package enum BackwardReach: Int, Sendable, Comparable {
  /// None is wanted.
  case none
  /// From the block's output to its attention.
  case attention
  /// On to the block's input.
  case input

  package static func < (left: BackwardReach, right: BackwardReach) -> Bool { left.rawValue < right.rawValue }
}

/// The memory in which a block runs, shared by all blocks of a tower; rows are `sequences · tokens`.
package struct BlockActivations<B: Backend>: Sendable {
  /// The residual stream: a block's input, and its output once it has run.
  @Planned package var stream: Matrix<B.Buffer>
  /// Mean and 1/σ of each row that entered the block; absent where no backward goes that far.
  @Planned package var inputStatistics: Matrix<B.Buffer>?
  /// The stream between attention and MLP.
  @Planned package var middle: Matrix<B.Buffer>
  /// Mean and 1/σ of each row of `middle`.
  @Planned package var middleStatistics: Matrix<B.Buffer>
  /// What the last layer norm or attention gave.
  @Planned package var normalized: Matrix<B.Buffer>
  @Planned package var queriesKeysValues: Matrix<B.Buffer>
  /// The MLP's activation.
  @Planned package var hidden: Matrix<B.Buffer>
  /// The derivative of the activation at its input; absent where no backward is wanted.
  @Planned package var hiddenDerivative: Matrix<B.Buffer>?

  package var queries: Matrix<B.Buffer> { queriesKeysValues.columns(0..<stream.columns) }
  package var keys: Matrix<B.Buffer> { queriesKeysValues.columns(stream.columns..<2 * stream.columns) }
  /// Values of the attention that ran last, `[rows, width]`.
  package var values: Matrix<B.Buffer> {
    let width = stream.columns
    return queriesKeysValues.columns(2 * width..<3 * width)
  }

  /// Plans what one block at a time keeps, as far as backwards go.
  package init(rows: Int, shape: BlockShape, backward: BackwardReach, in plan: inout WorkspacePlan<B>) {
    _stream = plan.reserve(rows: rows, columns: shape.width)
    _inputStatistics = plan.reserve(rows: rows, columnsIfAny: backward >= .input ? 2 : nil)
    _middle = plan.reserve(rows: rows, columns: shape.width)
    _middleStatistics = plan.reserve(rows: rows, columns: 2)
    _normalized = plan.reserve(rows: rows, columns: shape.width)
    _queriesKeysValues = plan.reserve(rows: rows, columns: 3 * shape.width)
    _hidden = plan.reserve(rows: rows, columns: shape.mlpWidth)
    _hiddenDerivative = plan.reserve(rows: rows, columnsIfAny: backward >= .attention ? shape.mlpWidth : nil)
  }

  /// The first row of each sequence of `tokens`.
  package func firstRows(_ tokens: Int) -> BlockActivations {
    var rows = self
    rows.stream = stream.everyRow(tokens)
    rows.inputStatistics = inputStatistics?.everyRow(tokens)
    rows.middle = middle.everyRow(tokens)
    rows.middleStatistics = middleStatistics.everyRow(tokens)
    rows.normalized = normalized.everyRow(tokens)
    rows.queriesKeysValues = queriesKeysValues.everyRow(tokens)
    rows.hidden = hidden.everyRow(tokens)
    rows.hiddenDerivative = hiddenDerivative?.everyRow(tokens)
    return rows
  }

  /// The same memory with another block's input in it.
  package func reading(_ stream: Matrix<B.Buffer>) -> BlockActivations {
    var activations = self
    activations.stream = stream
    return activations
  }
}

extension TransformerBlock {
  /// The attention's inputs: leaves queries, keys and values, and the statistics of `stream` where there is room.
  package func forwardToAttention(_ activations: BlockActivations<B>, on backend: B) throws(BackendError) {
    try backend.layerNorm(
      LayerNorm(
        input: activations.stream, scale: attentionNorm.scale, shift: attentionNorm.shift,
        epsilon: attentionNorm.epsilon, output: activations.normalized, statistics: activations.inputStatistics))
    try backend.matmul(
      Matmul(
        input: activations.normalized, weight: queriesKeysValues.weight, output: activations.queriesKeysValues,
        epilogue: .init(bias: queriesKeysValues.bias)))
  }

  /// Everything up to and including the MLP's activation: leaves `middle`, its statistics, `hidden`, the values
  /// and, with `keepDerivative`, the activation's derivative.
  /// - Parameter afterAttention: may replace rows of the attention's output, which is in `activations.normalized`.
  package func forwardToHidden(
    _ activations: BlockActivations<B>, tokens: Int, mask: AttentionMask, keepDerivative: Bool, on backend: B,
    afterAttention: (() throws(BackendError) -> Void)? = nil
  ) throws(BackendError) {
    try forwardToAttention(activations, on: backend)
    try backend.attention(
      Attention(
        queries: activations.queries, keys: activations.keys, values: activations.values, heads: shape.heads,
        tokens: tokens, mask: mask, output: activations.normalized))
    try afterAttention?()
    try backend.matmul(
      Matmul(
        input: activations.normalized, weight: attentionOutput.weight, output: activations.middle,
        epilogue: .init(bias: attentionOutput.bias, residual: activations.stream)))
    try backend.layerNorm(
      LayerNorm(
        input: activations.middle, scale: mlpNorm.scale, shift: mlpNorm.shift, epsilon: mlpNorm.epsilon,
        output: activations.normalized, statistics: activations.middleStatistics))
    try backend.matmul(
      Matmul(
        input: activations.normalized, weight: mlpInput.weight, output: activations.hidden,
        epilogue: .init(
          bias: mlpInput.bias, activation: shape.activation,
          derivative: keepDerivative ? activations.hiddenDerivative : nil)))
  }

  /// The MLP's second product: `output = hidden W₂ᵀ + b₂ + middle`, for all rows or for chosen ones.
  package func forwardFromHidden(
    hidden: Matrix<B.Buffer>, middle: Matrix<B.Buffer>, output: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    try backend.matmul(
      Matmul(
        input: hidden, weight: mlpOutput.weight, output: output,
        epilogue: .init(bias: mlpOutput.bias, residual: middle)))
  }
}
