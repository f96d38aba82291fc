package import Compute
import Failures

/// The sizes that all blocks of a tower share.
package struct BlockShape: Sendable, Equatable {
  package let width: Int
  package let heads: Int
  package let mlpWidth: Int
  package let activation: Activation
  package let epsilon: Float
  /// Whether the MLP's activation is gated.
  package let isGated: Bool
  /// Whether the MLP's activation is normalised.
  package let hasHiddenNorm: Bool
  /// Whether the attention's output is normalised before its projection.
  package let hasAttendedNorm: Bool
  /// Whether queries and keys are normalised in every head.
  package let hasQueryKeyNorm: Bool
  /// Whether the blocks have the product of the MLP's first layer and the attention's projection (methods §11.2).
  package let isFolded: Bool

  init(
    width: Int, heads: Int, mlpWidth: Int, activation: Activation, epsilon: Float, isGated: Bool = false,
    hasHiddenNorm: Bool = false, hasAttendedNorm: Bool = false, hasQueryKeyNorm: Bool = false, isFolded: Bool = false
  ) {
    self.width = width
    self.heads = heads
    self.mlpWidth = mlpWidth
    self.activation = activation
    self.epsilon = epsilon
    self.isGated = isGated
    self.hasHiddenNorm = hasHiddenNorm
    self.hasAttendedNorm = hasAttendedNorm
    self.hasQueryKeyNorm = hasQueryKeyNorm
    self.isFolded = isFolded
  }

  /// Columns of a head of the queries, or of the keys, whose heads come after these.
  func columns(of head: Int) -> Range<Int> { head * (width / heads)..<(head + 1) * (width / heads) }

  /// Columns of the MLP's first product.
  var mlpInputWidth: Int { isGated ? 2 * mlpWidth : mlpWidth }
}

/// One pre-norm residual block (methods §0): attention and MLP, each added to what came in. The MLP may be gated,
/// attention and MLP may each have one more norm, before their last product, and so may queries and keys (methods §0.1).
package struct TransformerBlock<B: Backend>: Sendable {
  package let shape: BlockShape
  package let attentionNorm: Norm<B>
  /// Q, K and V in one product, in this order.
  package let queriesKeysValues: Linear<B>
  /// Of queries and of keys, in each head.
  let queryNorm: Norm<B>?
  let keyNorm: Norm<B>?
  /// Of the attention's output, before its projection.
  let attendedNorm: Norm<B>?
  package let attentionOutput: Linear<B>
  package let mlpNorm: Norm<B>
  /// The first product; of a gated MLP the rows of the gate before those of the value.
  package let mlpInput: Linear<B>
  /// Of the activation, before the second product.
  let hiddenNorm: Norm<B>?
  package let mlpOutput: Linear<B>
  /// From the gradient at the MLP's first product to that at the attention's output, by its other side: the product of
  /// the first layer's and the projection's weights, where the tower is folded.
  package let folded: Linear<B>?

  /// Reads the block of those tensors.
  /// - Parameter scales: where the norms' scales go that a backward of several blocks reads.
  init(
    _ tensors: BlockTensors, shape: BlockShape, group: WeightGroup, loader: LayerLoader<B>,
    scales: BlockScales<B>? = nil
  ) throws(ModelError) {
    let scales = scales?.rows(group.index..<group.index + 1)
    let width = shape.width
    self.shape = shape
    attentionNorm = try loader.norm(tensors.attentionNorm, epsilon: shape.epsilon)
    queriesKeysValues = try loader.linear(tensors.attentionInput, outputs: 3 * width, inputs: width, group: group)
    queryNorm = shape.hasQueryKeyNorm ? try loader.norm(tensors.queryNorm, epsilon: shape.epsilon) : nil
    keyNorm = shape.hasQueryKeyNorm ? try loader.norm(tensors.keyNorm, epsilon: shape.epsilon) : nil
    attendedNorm =
      shape.hasAttendedNorm
      ? try loader.norm(tensors.attendedNorm, epsilon: shape.epsilon, scale: scales?.attendedNorm) : nil
    attentionOutput = try loader.linear(tensors.attentionOutput, outputs: width, inputs: width, group: group)
    mlpNorm = try loader.norm(tensors.mlpNorm, epsilon: shape.epsilon, scale: scales?.mlpNorm)
    mlpInput = try loader.linear(tensors.mlpInput, outputs: shape.mlpInputWidth, inputs: width, group: group)
    hiddenNorm =
      shape.hasHiddenNorm ? try loader.norm(tensors.hiddenNorm, epsilon: shape.epsilon, scale: scales?.hiddenNorm) : nil
    mlpOutput = try loader.linear(tensors.mlpOutput, outputs: width, inputs: shape.mlpWidth, group: group)
    folded =
      shape.isFolded
      ? try loader.linear(weight: tensors.folded, bias: nil, outputs: shape.mlpWidth, inputs: width, group: group) : nil
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

/// The memory in which a block runs; rows are `sequences · tokens`. What a backward reads may be there for several
/// blocks that follow each other, one over the other, so that it runs for all of them at once; the rest is shared.
package struct BlockActivations<B: Backend>: Sendable {
  /// The residual stream: a block's input, and its output once it has run. Where several blocks are there at once, the
  /// output of each: the next one reads it there.
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
  /// Queries and keys before their norms, `[rows, 2 · width]`, and mean and 1/σ of each head of either, side by side;
  /// absent where there are no norms, and where no backward goes that far.
  @Planned var plainQueriesKeys: Matrix<B.Buffer>?
  @Planned var headStatistics: Matrix<B.Buffer>?
  /// The attention's output where a norm follows it, and the statistics of its rows.
  @Planned var attended: Matrix<B.Buffer>?
  @Planned var attendedStatistics: Matrix<B.Buffer>?
  /// What the MLP's second product reads.
  @Planned package var hidden: Matrix<B.Buffer>
  /// The activation where a norm follows it, and the statistics of its rows.
  @Planned var activated: Matrix<B.Buffer>?
  @Planned var activatedStatistics: Matrix<B.Buffer>?
  /// The derivative of the activation at its input; absent where no backward is wanted. Of a gated MLP the first
  /// product, and then the derivatives by gate and value.
  @Planned package var hiddenDerivative: Matrix<B.Buffer>?
  /// The derivative times the first product without its bias, where the tower is folded and a backward is wanted.
  @Planned var slopes: Matrix<B.Buffer>?
  /// The angles of rotary positions.
  let rotation: Rotation<B>?
  /// Blocks whose output is there, and whose other activations are.
  private let together: Int
  private let keptBlocks: Int
  private let keepsNormalized: Bool

  package var queries: Matrix<B.Buffer> { queriesKeysValues.columns(0..<stream.columns) }
  package var keys: Matrix<B.Buffer> { queriesKeysValues.columns(stream.columns..<2 * stream.columns) }
  /// Values of the attention that ran last, `[rows, width]`.
  package var values: Matrix<B.Buffer> {
    let width = stream.columns
    return queriesKeysValues.columns(2 * width..<3 * width)
  }

  /// Plans what blocks keep, as far as backwards go.
  /// - Parameters:
  ///   - rows: of one block.
  ///   - together: blocks whose output, and what a backward to their attention reads, is there at once.
  package init(
    rows: Int, shape: BlockShape, backward: BackwardReach, together: Int = 1, rotation: Rotation<B>? = nil,
    in plan: inout WorkspacePlan<B>
  ) {
    let isKept = together > 1 && backward >= .attention
    let keptRows = isKept ? together * rows : rows
    keptBlocks = isKept ? together : 1
    self.together = together
    _stream = plan.reserve(rows: together * rows, columns: shape.width)
    _inputStatistics = plan.reserve(rows: rows, columnsIfAny: backward >= .input ? 2 : nil)
    _middle = plan.reserve(rows: keptRows, columns: shape.width)
    _middleStatistics = plan.reserve(rows: keptRows, columns: 2)
    keepsNormalized = shape.isFolded
    _normalized = plan.reserve(rows: shape.isFolded ? keptRows : rows, columns: shape.width)
    _queriesKeysValues = plan.reserve(rows: keptRows, columns: 3 * shape.width)
    let keepsHeads = shape.hasQueryKeyNorm && backward >= .input
    _plainQueriesKeys = plan.reserve(rows: rows, columnsIfAny: keepsHeads ? 2 * shape.width : nil)
    _headStatistics = plan.reserve(rows: rows, columnsIfAny: keepsHeads ? 4 * shape.heads : nil)
    _attended = plan.reserve(rows: keptRows, columnsIfAny: shape.hasAttendedNorm ? shape.width : nil)
    _attendedStatistics = plan.reserve(rows: keptRows, columnsIfAny: shape.hasAttendedNorm ? 2 : nil)
    _hidden = plan.reserve(rows: rows, columns: shape.mlpWidth)
    _activated = plan.reserve(rows: keptRows, columnsIfAny: shape.hasHiddenNorm ? shape.mlpWidth : nil)
    _activatedStatistics = plan.reserve(rows: keptRows, columnsIfAny: shape.hasHiddenNorm ? 2 : nil)
    let keepsDerivative = shape.isGated || backward >= .attention
    _hiddenDerivative = plan.reserve(rows: keptRows, columnsIfAny: keepsDerivative ? shape.mlpInputWidth : nil)
    _slopes = plan.reserve(
      rows: keptRows, columnsIfAny: shape.isFolded && backward >= .attention ? shape.mlpWidth : nil)
    self.rotation = rotation
  }

  /// Those of some of the blocks that are there at once, by their places.
  package func blocks(_ places: Range<Int>) -> BlockActivations {
    guard together > 1 else { return self }
    var part = self
    func rows(_ matrix: Matrix<B.Buffer>, of blocks: Int) -> Matrix<B.Buffer> {
      guard blocks > 1 else { return matrix }
      let size = matrix.rows / blocks
      return matrix.rows(places.lowerBound * size..<places.upperBound * size)
    }
    part.stream = rows(stream, of: together)
    part.middle = rows(middle, of: keptBlocks)
    part.middleStatistics = rows(middleStatistics, of: keptBlocks)
    if keepsNormalized { part.normalized = rows(normalized, of: keptBlocks) }
    part.queriesKeysValues = rows(queriesKeysValues, of: keptBlocks)
    part.attended = attended.map { rows($0, of: keptBlocks) }
    part.attendedStatistics = attendedStatistics.map { rows($0, of: keptBlocks) }
    part.activated = activated.map { rows($0, of: keptBlocks) }
    part.activatedStatistics = activatedStatistics.map { rows($0, of: keptBlocks) }
    part.hiddenDerivative = hiddenDerivative.map { rows($0, of: keptBlocks) }
    part.slopes = slopes.map { rows($0, of: keptBlocks) }
    return part
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
    rows.attended = attended?.everyRow(tokens)
    rows.attendedStatistics = attendedStatistics?.everyRow(tokens)
    rows.hidden = hidden.everyRow(tokens)
    rows.activated = activated?.everyRow(tokens)
    rows.activatedStatistics = activatedStatistics?.everyRow(tokens)
    rows.hiddenDerivative = hiddenDerivative?.everyRow(tokens)
    rows.slopes = slopes?.everyRow(tokens)
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
    try normalizeHeads(activations, on: backend)
    try activations.rotation?.turn(activations.queriesKeysValues, heads: shape.heads, on: backend)
  }

  /// The norms of queries and keys, in place.
  private func normalizeHeads(_ activations: BlockActivations<B>, on backend: B) throws(BackendError) {
    guard let queryNorm, let keyNorm else { return }
    let output = activations.queriesKeysValues
    if let plain = activations.plainQueriesKeys {
      try backend.copy(Copy(output.columns(0..<plain.columns), to: plain))
    }
    for head in 0..<2 * shape.heads {
      let (norm, columns) = (head < shape.heads ? queryNorm : keyNorm, shape.columns(of: head))
      try backend.layerNorm(
        LayerNorm(
          input: (activations.plainQueriesKeys ?? output).columns(columns), scale: norm.scale, shift: norm.shift,
          epsilon: norm.epsilon, output: output.columns(columns),
          statistics: activations.headStatistics?.columns(2 * head..<2 * head + 2)))
    }
  }

  /// From the gradients at normalised queries and keys to those before their norms, in place.
  func headsBackward(
    _ activations: BlockActivations<B>, stack: RowStack, gradient: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    guard let queryNorm, let keyNorm else { return }
    guard let plain = activations.plainQueriesKeys, let statistics = activations.headStatistics else {
      preconditionFailure("a backward to a block's input needs what its heads were")
    }
    for head in 0..<2 * shape.heads {
      let (norm, columns) = (head < shape.heads ? queryNorm : keyNorm, shape.columns(of: head))
      try backend.layerNormBackward(
        LayerNormBackward(
          upstream: gradient.columns(columns), input: plain.columns(columns),
          statistics: statistics.columns(2 * head..<2 * head + 2), scale: norm.scale, stack: stack,
          output: gradient.columns(columns)))
    }
  }

  /// Everything up to and including the MLP's activation: leaves `middle`, its statistics, `hidden`, the values
  /// and, with `keepDerivative`, the activation's derivative.
  /// - Parameters:
  ///   - firstRowsAlone: of what comes behind the attention, the first row of each sequence is made and no other.
  ///   - afterAttention: may replace rows of the attention's output, which is in `all.normalized`.
  package func forwardToHidden(
    _ all: BlockActivations<B>, tokens: Int, mask: AttentionMask, keepDerivative: Bool,
    firstRowsAlone: Bool = false, on backend: B, afterAttention: (() throws(BackendError) -> Void)? = nil
  ) throws(BackendError) {
    let activations = firstRowsAlone ? all.firstRows(tokens) : all
    try forwardToAttention(all, on: backend)
    try backend.attention(
      Attention(
        queries: all.queries, keys: all.keys, values: all.values, heads: shape.heads,
        tokens: tokens, mask: mask, output: all.attended ?? all.normalized))
    if let norm = attendedNorm, let attended = activations.attended {
      try backend.layerNorm(
        LayerNorm(
          input: attended, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon,
          output: activations.normalized, statistics: activations.attendedStatistics))
    }
    try afterAttention?()
    try backend.matmul(
      Matmul(
        input: activations.normalized, weight: attentionOutput.weight, output: activations.middle,
        epilogue: .init(bias: attentionOutput.bias, residual: activations.stream)))
    try backend.layerNorm(
      LayerNorm(
        input: activations.middle, scale: mlpNorm.scale, shift: mlpNorm.shift, epsilon: mlpNorm.epsilon,
        output: activations.normalized, statistics: activations.middleStatistics))
    try activate(activations, keepDerivative: keepDerivative, on: backend)
  }

  /// From the normalised `middle` to `hidden`.
  private func activate(
    _ activations: BlockActivations<B>, keepDerivative: Bool, on backend: B
  ) throws(BackendError) {
    let activated = activations.activated ?? activations.hidden
    if shape.isGated {
      guard let product = activations.hiddenDerivative else {
        preconditionFailure("a gated MLP has memory for its first product")
      }
      try backend.matmul(
        Matmul(
          input: activations.normalized, weight: mlpInput.weight, output: product,
          epilogue: .init(bias: mlpInput.bias)))
      try backend.gate(
        Gate(shape.activation, input: product, output: activated, derivative: keepDerivative ? product : nil))
    } else {
      try backend.matmul(
        Matmul(
          input: activations.normalized, weight: mlpInput.weight, output: activated,
          epilogue: .init(
            bias: mlpInput.bias, activation: shape.activation,
            derivative: keepDerivative ? activations.hiddenDerivative : nil,
            slopes: keepDerivative ? activations.slopes : nil)))
    }
    guard let norm = hiddenNorm else { return }
    try backend.layerNorm(
      LayerNorm(
        input: activated, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: activations.hidden,
        statistics: activations.activatedStatistics))
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
