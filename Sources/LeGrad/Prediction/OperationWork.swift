package import Compute

/// What one operation has to do at least, by its definition: arithmetic, and the memory that it reads and writes once.
package struct OperationWork: Sendable, Equatable {
  /// What bounds it beside memory.
  package enum Kind: Sendable, Equatable {
    /// A product `[rows, depth] · [depth, columns]` with a weight.
    case product(rows: Int, columns: Int, depth: Int)
    /// Heads of sequences, each of whose maps is `tokens × tokens`.
    case attention(sequences: Int, heads: Int, tokens: Int, headWidth: Int)
    /// Rows that are read, changed and written.
    case rows
    /// Between the host and the device.
    case transfer
  }

  package let operation: OperationName
  package let kind: Kind
  /// The role of the weight that a product reads.
  package var role: WeightRole?
  /// Whether a product reads the weight from its other side.
  package var isBackward = false
  /// Rows of what it writes.
  package let rows: Int
  /// Rows of what it reads first.
  package let inputRows: Int
  /// Floating-point operations, a multiply–add counted as two; of products and attention alone.
  package let arithmetic: Double
  package let bytes: Int
  /// Those of them that are a weight's.
  package private(set) var weightBytes = 0
  /// Weights of a product: each meets an equal part of its rows.
  package private(set) var parts = 1
}

/// The layer that a weight belongs to.
package enum WeightRole: Sendable, Hashable {
  case patchEmbedding, queriesKeysValues, attentionOutput, mlpInput, mlpOutput, projection, pooler
}

extension OperationWork {
  private init<Buffer>(
    _ operation: OperationName, _ kind: Kind = .rows, arithmetic: Double = 0, reads: [Matrix<Buffer>?] = [],
    writes: [Matrix<Buffer>?]
  ) {
    self.operation = operation
    self.kind = kind
    self.arithmetic = arithmetic
    rows = writes.lazy.compactMap(\.self).first?.rows ?? 0
    inputRows = reads.lazy.compactMap(\.self).first?.rows ?? rows
    bytes = (reads + writes).reduce(0) { $0 + ($1?.bytes ?? 0) }
  }

  init<Buffer>(transfer operation: OperationName, _ matrix: Matrix<Buffer>) {
    self.init(operation, .transfer, writes: [matrix])
  }

  init<Buffer>(_ operation: Copy<Buffer>) {
    self.init(.copy, reads: [operation.source], writes: [operation.destination])
  }

  init<Buffer>(_ operation: Fill<Buffer>) { self.init(.fill, writes: [operation.destination]) }

  init<Buffer>(_ operation: Patchify<Buffer>) {
    self.init(.patchify, reads: [operation.pixels], writes: [operation.patches])
  }

  init<Buffer>(_ operation: GatherRows<Buffer>) {
    self.init(.gatherRows, reads: [operation.output], writes: [operation.output])
  }

  init<Buffer>(_ operation: LayerNorm<Buffer>) {
    self.init(
      .layerNorm, reads: [operation.input, operation.scale, operation.shift],
      writes: [operation.output, operation.statistics])
  }

  init<Buffer, Weight>(_ operation: Matmul<Buffer, Weight>, role: WeightRole?, precision: Precision) {
    let (rows, columns, depth) = (operation.output.rows, operation.output.columns, operation.input.columns)
    let epilogue = operation.epilogue
    let matrices = [
      operation.input, operation.inputScale?.scales, operation.output, epilogue.bias, epilogue.derivative,
      epilogue.slopes, epilogue.residual,
    ]
    self.operation = .matmul
    kind = .product(rows: rows, columns: columns, depth: depth)
    self.role = role
    isBackward = operation.side == .inputs
    self.rows = rows
    inputRows = operation.input.rows
    arithmetic = 2 * Double(rows) * Double(columns) * Double(depth)
    parts = operation.weights.count
    weightBytes = parts * columns * depth * precision.bytes
    bytes = matrices.reduce(weightBytes) { $0 + ($1?.bytes ?? 0) }
  }

  init<Buffer>(_ operation: Softmax<Buffer>) {
    self.init(.softmax, reads: [operation.input], writes: [operation.output])
  }

  init<Buffer>(_ operation: SoftmaxBackward<Buffer>) {
    self.init(.softmaxBackward, reads: [operation.upstream, operation.output], writes: [operation.gradient])
  }

  /// Scores and sums.
  init<Buffer>(_ operation: Attention<Buffer>) {
    self.init(
      .attention, Self.maps(operation.output, tokens: operation.tokens, heads: operation.heads),
      arithmetic: 2 * Self.product(operation.output, operation.tokens),
      reads: [operation.queries, operation.keys, operation.values], writes: [operation.output])
  }

  /// The map once more, its gradient, and three products with them.
  init<Buffer>(_ operation: AttentionBackward<Buffer>) {
    self.init(
      .attentionBackward, Self.maps(operation.upstream, tokens: operation.tokens, heads: operation.heads),
      arithmetic: 5 * Self.product(operation.upstream, operation.tokens),
      reads: [operation.upstream, operation.queries, operation.keys, operation.values],
      writes: [operation.queryGradient, operation.keyGradient, operation.valueGradient])
  }

  init<Buffer>(_ operation: AttentionRelevance<Buffer>) {
    let gradient = operation.outputGradient
    self.init(
      .attentionRelevance, Self.maps(gradient, tokens: operation.stack.rows, heads: operation.heads),
      arithmetic: Self.product(gradient, operation.stack.rows), reads: [gradient, operation.values],
      writes: [operation.relevance])
  }

  init<Buffer>(_ operation: KeyScores<Buffer>) {
    self.init(
      .keyScores,
      arithmetic: 2 * Double(operation.scores.rows * operation.scores.columns)
        * Double(operation.rows.columns / operation.heads), reads: [operation.rows, operation.tokens],
      writes: [operation.scores])
  }

  init<Buffer>(_ operation: KeyRelevance<Buffer>) {
    self.init(.keyRelevance, reads: [operation.map, operation.gradient], writes: [operation.relevance])
  }

  init<Buffer>(_ operation: TokenSums<Buffer>) {
    self.init(
      .tokenSums,
      arithmetic: 2 * Double(operation.weights.rows * operation.weights.columns) * Double(operation.tokens.columns),
      reads: [operation.weights, operation.tokens], writes: [operation.sums])
  }

  init<Buffer>(_ operation: TokenSumsBackward<Buffer>) {
    self.init(
      .tokenSumsBackward,
      arithmetic: 2 * Double(operation.weights.rows * operation.weights.columns) * Double(operation.gradient.columns),
      reads: [operation.weights, operation.upstream, operation.accumulates ? operation.gradient : nil],
      writes: [operation.gradient])
  }

  /// The map, and with a gradient that too.
  init<Buffer>(_ operation: RowThroughMap<Buffer>) {
    let tokens = operation.stack.rows
    let map = Self.product(operation.queries, tokens)
    let gradient = operation.gradient.map { Self.product($0.output, tokens) } ?? 0
    self.init(
      .rowThroughMap,
      Self.maps(operation.gradient?.output ?? operation.queries, tokens: tokens, heads: operation.heads),
      arithmetic: map + gradient,
      reads: [
        operation.row, operation.queries, operation.keys, operation.gradient?.output, operation.gradient?.values,
      ], writes: [operation.output])
  }

  init<Buffer>(_ operation: Activate<Buffer>) {
    self.init(.activate, reads: [operation.input], writes: [operation.output, operation.derivative])
  }

  init<Buffer>(_ operation: ActivationBackward<Buffer>) {
    self.init(
      .activationBackward, reads: [operation.upstream, operation.derivative], writes: [operation.gradient])
  }

  init<Buffer>(_ operation: Gate<Buffer>) {
    self.init(.gate, reads: [operation.input], writes: [operation.output, operation.derivative])
  }

  init<Buffer>(_ operation: Rotate<Buffer>) {
    self.init(.rotate, reads: [operation.matrix, operation.cosines, operation.sines], writes: [operation.matrix])
  }

  init<Buffer>(_ operation: MeanRows<Buffer>) {
    self.init(.meanRows, reads: [operation.input], writes: [operation.output])
  }

  init<Buffer>(_ operation: NormalizeRows<Buffer>) {
    self.init(.normalizeRows, reads: [operation.input], writes: [operation.output, operation.norms])
  }

  init<Buffer>(_ operation: NormalizeRowsBackward<Buffer>) {
    self.init(
      .normalizeRowsBackward, reads: [operation.directions, operation.normalized, operation.norms],
      writes: [operation.gradient])
  }

  init<Buffer>(_ operation: LayerNormBackward<Buffer>) {
    self.init(
      .layerNormBackward,
      reads: [operation.upstream, operation.input, operation.statistics, operation.scale, operation.addend],
      writes: [operation.output])
  }

  init<Buffer>(_ operation: FoldedNormBackward<Buffer>) {
    self.init(
      .foldedNormBackward,
      arithmetic: 2 * Double(operation.output.rows) * Double(operation.slopes.columns),
      reads: [
        operation.product, operation.slopes, operation.scales, operation.projected, operation.statistics,
        operation.addend,
      ], writes: [operation.output])
  }

  init<Buffer>(_ operation: AddRows<Buffer>) {
    self.init(.addRows, reads: [operation.input, operation.addend], writes: [operation.output])
  }

  init<Buffer>(_ operation: PartProduct<Buffer>) {
    let output = operation.output
    self.init(
      .partProduct, .product(rows: output.rows, columns: output.columns, depth: operation.inner),
      arithmetic: 2 * Double(output.rows * output.columns) * Double(operation.inner),
      reads: [
        operation.left.matrix, operation.right.matrix, operation.scale?.matrix, operation.bias,
        operation.accumulates ? output : nil,
      ], writes: [output])
  }

  init<Buffer>(_ operation: RelevanceShare<Buffer>) {
    self.init(
      .relevanceShare,
      reads: [
        operation.relevance, operation.total, operation.value, operation.accumulates ? operation.output : nil,
      ], writes: [operation.output])
  }

  private static func maps<Buffer>(_ rows: Matrix<Buffer>, tokens: Int, heads: Int) -> Kind {
    .attention(sequences: rows.rows / tokens, heads: heads, tokens: tokens, headWidth: rows.columns / heads)
  }

  /// One product of all heads between such rows and the tokens of their sequence.
  private static func product<Buffer>(_ rows: Matrix<Buffer>, _ tokens: Int) -> Double {
    2 * Double(rows.rows * rows.columns) * Double(tokens)
  }
}
