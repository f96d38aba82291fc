package import Compute
import Failures

/// The memory of a pooler's forward, and how it runs.
package struct PoolerActivations<B: Backend>: Sendable {
  package private(set) var shape: VisionShape
  /// What the pooler attends to, with a column of ones: `[images · tokens, tokenWidth + 1]`.
  @Planned package private(set) var tokens: Matrix<B.Buffer>
  /// Mean and 1/σ of the rows that the tokens are the layer norm of.
  @Planned private(set) var tokenStatistics: Matrix<B.Buffer>
  /// The query's attention: `[images · heads, tokens]`.
  @Planned package private(set) var map: Matrix<B.Buffer>
  @Planned private(set) var sums: Matrix<B.Buffer>
  @Planned private(set) var attended: Matrix<B.Buffer>
  /// The attention's output after its projection: `[images, width]`.
  @Planned package private(set) var pooled: Matrix<B.Buffer>
  @Planned private(set) var normalized: Matrix<B.Buffer>
  @Planned private(set) var statistics: Matrix<B.Buffer>
  @Planned private(set) var hidden: Matrix<B.Buffer>?
  @Planned private(set) var derivative: Matrix<B.Buffer>?
  /// What the MLP gives.
  @Planned private(set) var output: Matrix<B.Buffer>?
  /// Unit rows `[images, embedding]`; a classifier's features as they are.
  @Planned package private(set) var embedding: Matrix<B.Buffer>
  @Planned private(set) var norms: Matrix<B.Buffer>

  /// `map` before the memory is there.
  package var plannedMap: Planned<Matrix<B.Buffer>> { _map }

  package init(_ shape: VisionShape, pooler: AttentionPooler<B>, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>)
  {
    self.shape = shape
    let (images, width) = (shape.images, pooler.width)
    _tokens = plan.reserve(rows: shape.rows, columns: pooler.tokenWidth + 1)
    _tokenStatistics = plan.reserve(rows: shape.rows, columns: 2)
    _map = plan.reserve(rows: images * pooler.heads, columns: shape.tokens)
    _sums = plan.reserve(rows: images * pooler.heads, columns: pooler.tokenWidth + 1)
    _attended = plan.reserve(rows: images, columns: width)
    _pooled = plan.reserve(rows: images, columns: width)
    _normalized = plan.reserve(rows: images, columns: width)
    _statistics = plan.reserve(rows: images, columns: 2)
    let mlpWidth = pooler.mlp?.input.outputs
    _hidden = plan.reserve(rows: images, columnsIfAny: mlpWidth)
    _derivative = plan.reserve(rows: images, columnsIfAny: mlpWidth)
    _output = plan.reserve(rows: images, columnsIfAny: mlpWidth == nil ? nil : width)
    _embedding = plan.reserve(rows: images, columns: tower.embeddingWidth)
    _norms = plan.reserve(rows: images, columns: 1)
  }
}

extension PoolerActivations {
  /// Those of the first images.
  package func part(images: Int) -> PoolerActivations {
    guard images < shape.images else { return self }
    let heads = map.rows / shape.images
    var part = self
    part.shape = shape.of(images: images)
    part.tokens = tokens.rows(0..<images * shape.tokens)
    part.tokenStatistics = tokenStatistics.rows(0..<images * shape.tokens)
    part.map = map.rows(0..<images * heads)
    part.sums = sums.rows(0..<images * heads)
    part.attended = attended.rows(0..<images)
    part.pooled = pooled.rows(0..<images)
    part.normalized = normalized.rows(0..<images)
    part.statistics = statistics.rows(0..<images)
    part.hidden = hidden?.rows(0..<images)
    part.derivative = derivative?.rows(0..<images)
    part.output = output?.rows(0..<images)
    part.embedding = embedding.rows(0..<images)
    part.norms = norms.rows(0..<images)
    return part
  }
}

extension AttentionPooler {
  /// Fills in what no forward changes: the column of ones.
  package func prepare(_ activations: PoolerActivations<B>, on backend: B) throws(BackendError) {
    try backend.fill(Fill(activations.tokens.columns(tokenWidth..<tokenWidth + 1), with: 1))
  }

  /// Takes the tokens that are attended to from a block's output: normalised by the pooler where it does that, else by
  /// `norm` if one is given.
  package func load(
    _ stream: Matrix<B.Buffer>, norm: Norm<B>? = nil, into activations: PoolerActivations<B>, on backend: B
  ) throws(BackendError) {
    let tokens = activations.tokens.columns(0..<tokenWidth)
    guard let norm = tokenNorm ?? norm else { return try backend.copy(Copy(stream, to: tokens)) }
    try backend.layerNorm(
      LayerNorm(
        input: stream, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: tokens,
        statistics: activations.tokenStatistics))
  }

  /// The layer norm of the tokens that the model's own embedding reads: the pooler's, or the tower's last.
  func tokenNorm(in tower: VisionTower<B>) -> Norm<B> { tokenNorm ?? tower.outputNorm }

  /// The model's own embedding, from the last block's output.
  package func embed(
    _ stream: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, tower: VisionTower<B>
  ) throws(BackendError) {
    try load(stream, norm: tower.outputNorm, into: activations, on: tower.backend)
    try attend(activations, on: tower.backend)
    if let mlp {
      try readOut(activations, through: mlp, tower: tower)
    } else {
      try readOut(activations, through: tower)
    }
  }

  /// From the loaded tokens to `pooled`.
  package func attend(_ activations: PoolerActivations<B>, on backend: B) throws(BackendError) {
    let (tokens, map) = (activations.tokens, activations.map)
    try backend.keyScores(
      KeyScores(
        rows: keyDirections, tokens: tokens, heads: 1,
        stack: RowStack(copies: heads, rows: activations.shape.tokens), scores: map))
    let first = readsPatchesOnly ? activations.shape.leadingTokens : 0
    let read = map.columns(first..<map.columns)
    try backend.softmax(Softmax(input: read, output: read))
    // Where a map is zero, nothing is added here and nothing goes back.
    if first > 0 { try backend.fill(Fill(map.columns(0..<first), with: 0)) }
    try backend.tokenSums(TokenSums(weights: map, tokens: tokens, sums: activations.sums))
    for head in 0..<heads {
      try backend.matmul(
        Matmul(
          input: activations.sums.everyRow(heads, from: head), weight: values[head],
          output: activations.attended.columns(columns(of: head))))
    }
    try backend.matmul(
      Matmul(
        input: activations.attended, weight: output.weight, output: activations.pooled,
        epilogue: .init(bias: output.bias)))
  }

  /// From `pooled` to the embedding, through the pooler's MLP and the tower's projection, if it has one.
  package func readOut(
    _ activations: PoolerActivations<B>, through mlp: PoolerMLP<B>, tower: VisionTower<B>
  ) throws(BackendError) {
    guard let hidden = activations.hidden, let output = activations.output else {
      preconditionFailure("a pooler with an MLP has memory for it")
    }
    let backend = tower.backend
    try backend.layerNorm(
      LayerNorm(
        input: activations.pooled, scale: mlp.norm.scale, shift: mlp.norm.shift, epsilon: mlp.norm.epsilon,
        output: activations.normalized, statistics: activations.statistics))
    try backend.matmul(
      Matmul(
        input: activations.normalized, weight: mlp.input.weight, output: hidden,
        epilogue: .init(bias: mlp.input.bias, activation: mlp.activation, derivative: activations.derivative)))
    try backend.matmul(
      Matmul(
        input: hidden, weight: mlp.output.weight, output: output,
        epilogue: .init(bias: mlp.output.bias, residual: activations.pooled)))
    try tower.project(output, to: activations.embedding, norms: activations.norms)
  }

  /// From `pooled` to the embedding, through the tower's own layer norm and projection.
  private func readOut(
    _ activations: PoolerActivations<B>, through tower: VisionTower<B>
  ) throws(BackendError) {
    let norm = tower.outputNorm
    try tower.backend.layerNorm(
      LayerNorm(
        input: activations.pooled, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon,
        output: activations.normalized, statistics: activations.statistics))
    try tower.project(activations.normalized, to: activations.embedding, norms: activations.norms)
  }
}
