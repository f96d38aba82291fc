package import Compute

/// The memory of a pooler's forward, and how it runs.
package struct PoolerActivations<B: Backend>: Sendable {
  package let shape: VisionShape
  /// What the pooler attends to, with a column of ones: `[images · tokens, tokenWidth + 1]`.
  package let tokens: Matrix<B.Buffer>
  /// Mean and 1/σ of the rows that the tokens are the layer norm of.
  let tokenStatistics: Matrix<B.Buffer>
  /// The query's attention: `[images · heads, tokens]`.
  package let map: Matrix<B.Buffer>
  let sums: Matrix<B.Buffer>
  let attended: Matrix<B.Buffer>
  /// The attention's output after its projection: `[images, width]`.
  package let pooled: Matrix<B.Buffer>
  let normalized: Matrix<B.Buffer>
  let statistics: Matrix<B.Buffer>
  let hidden: Matrix<B.Buffer>?
  let derivative: Matrix<B.Buffer>?
  /// Unit rows `[images, embedding]`.
  package let embedding: Matrix<B.Buffer>
  let norms: Matrix<B.Buffer>

  package struct Slots: Sendable {
    let tokens, tokenStatistics, map, sums, attended, pooled, normalized, statistics, embedding,
      norms: WorkspacePlan.Slot
    let hidden, derivative: WorkspacePlan.Slot?
  }

  package static func reserve(
    _ shape: VisionShape, pooler: AttentionPooler<B>, in plan: inout WorkspacePlan
  ) -> Slots {
    let (images, width) = (shape.images, pooler.width)
    let mlpWidth = pooler.mlp?.input.outputs
    return Slots(
      tokens: plan.reserve(rows: shape.rows, columns: pooler.tokenWidth + 1),
      tokenStatistics: plan.reserve(rows: shape.rows, columns: 2),
      map: plan.reserve(rows: images * pooler.heads, columns: shape.tokens),
      sums: plan.reserve(rows: images * pooler.heads, columns: pooler.tokenWidth + 1),
      attended: plan.reserve(rows: images, columns: width), pooled: plan.reserve(rows: images, columns: width),
      normalized: plan.reserve(rows: images, columns: width), statistics: plan.reserve(rows: images, columns: 2),
      embedding: plan.reserve(rows: images, columns: width), norms: plan.reserve(rows: images, columns: 1),
      hidden: mlpWidth.map { plan.reserve(rows: images, columns: $0) },
      derivative: mlpWidth.map { plan.reserve(rows: images, columns: $0) })
  }

  package init(
    _ slots: Slots, shape: VisionShape, in workspace: Workspace<B>, on backend: B
  ) throws(BackendError) {
    self.shape = shape
    tokens = workspace[slots.tokens]
    tokenStatistics = workspace[slots.tokenStatistics]
    map = workspace[slots.map]
    sums = workspace[slots.sums]
    attended = workspace[slots.attended]
    pooled = workspace[slots.pooled]
    normalized = workspace[slots.normalized]
    statistics = workspace[slots.statistics]
    embedding = workspace[slots.embedding]
    norms = workspace[slots.norms]
    hidden = slots.hidden.map { workspace[$0] }
    derivative = slots.derivative.map { workspace[$0] }
    try backend.fill(Fill(tokens.columns(tokens.columns - 1..<tokens.columns), with: 1))
  }
}

extension AttentionPooler {
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
      try readOut(activations, through: mlp, on: tower.backend)
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
        stack: PromptStack(prompts: heads, tokens: activations.shape.tokens), scores: map))
    try backend.softmax(Softmax(input: map, output: map))
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

  /// From `pooled` to the unit embedding, through the pooler's MLP.
  package func readOut(
    _ activations: PoolerActivations<B>, through mlp: PoolerMLP<B>, on backend: B
  ) throws(BackendError) {
    guard let hidden = activations.hidden else { preconditionFailure("a pooler with an MLP has memory for it") }
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
        input: hidden, weight: mlp.output.weight, output: activations.embedding,
        epilogue: .init(bias: mlp.output.bias, residual: activations.pooled)))
    try normalize(activations, on: backend)
  }

  /// From `pooled` to the unit embedding, through the tower's own layer norm and projection.
  private func readOut(
    _ activations: PoolerActivations<B>, through tower: VisionTower<B>
  ) throws(BackendError) {
    let (backend, norm) = (tower.backend, tower.outputNorm)
    try backend.layerNorm(
      LayerNorm(
        input: activations.pooled, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon,
        output: activations.normalized, statistics: activations.statistics))
    try backend.matmul(
      Matmul(input: activations.normalized, weight: tower.projection.weight, output: activations.embedding))
    try normalize(activations, on: backend)
  }

  private func normalize(_ activations: PoolerActivations<B>, on backend: B) throws(BackendError) {
    try backend.normalizeRows(
      NormalizeRows(input: activations.embedding, output: activations.embedding, norms: activations.norms))
  }
}
