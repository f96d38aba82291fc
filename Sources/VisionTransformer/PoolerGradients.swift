package import Compute

/// The memory of a pooler's backward for a stack of prompts, and how it runs. Groups are pairs of an image and a prompt.
package struct PoolerGradients<B: Backend>: Sendable {
  /// `[images · prompts, embedding]`.
  let embedding: Matrix<B.Buffer>
  let hidden: Matrix<B.Buffer>?
  let pooled: Matrix<B.Buffer>
  let attended: Matrix<B.Buffer>
  /// Directions of the tokens along which the map's gradient grows: `[images · prompts · heads, tokenWidth + 1]`.
  package let directions: Matrix<B.Buffer>
  /// The gradient at the attention map: `[images · prompts · heads, tokens]`.
  package let map: Matrix<B.Buffer>

  package struct Slots: Sendable {
    let embedding, pooled, attended, directions, map: WorkspacePlan.Slot
    let hidden: WorkspacePlan.Slot?
  }

  /// - Parameters:
  ///   - groups: images · prompts of one backward.
  ///   - mapGroups: images · prompts whose maps' gradients are there at once.
  package static func reserve(
    groups: Int, mapGroups: Int, tokens: Int, pooler: AttentionPooler<B>, in plan: inout WorkspacePlan
  ) -> Slots {
    Slots(
      embedding: plan.reserve(rows: groups, columns: pooler.width),
      pooled: plan.reserve(rows: groups, columns: pooler.width),
      attended: plan.reserve(rows: groups, columns: pooler.width),
      directions: plan.reserve(rows: groups * pooler.heads, columns: pooler.tokenWidth + 1),
      map: plan.reserve(rows: mapGroups * pooler.heads, columns: tokens),
      hidden: pooler.mlp.map { plan.reserve(rows: groups, columns: $0.input.outputs) })
  }

  package init(_ slots: Slots, in workspace: Workspace<B>) {
    embedding = workspace[slots.embedding]
    pooled = workspace[slots.pooled]
    attended = workspace[slots.attended]
    directions = workspace[slots.directions]
    map = workspace[slots.map]
    hidden = slots.hidden.map { workspace[$0] }
  }

  /// The rows that fewer groups of image and prompt need.
  package init(_ gradients: PoolerGradients, groups: Int, heads: Int) {
    embedding = gradients.embedding.rows(0..<groups)
    hidden = gradients.hidden?.rows(0..<groups)
    pooled = gradients.pooled.rows(0..<groups)
    attended = gradients.attended.rows(0..<groups)
    directions = gradients.directions.rows(0..<groups * heads)
    map = gradients.map.rows(0..<groups * heads)
  }
}

extension AttentionPooler {
  /// From the scores `prompts_p · embedding_b` to `gradients.directions` (methods §11.3).
  package func backward(
    prompts: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, through mlp: PoolerMLP<B>,
    gradients: PoolerGradients<B>, on backend: B
  ) throws(BackendError) {
    guard let hidden = gradients.hidden, let derivative = activations.derivative else {
      preconditionFailure("a pooler with an MLP has memory for it")
    }
    let stack = PromptStack(prompts: prompts.rows, tokens: 1)
    try backend.normalizeRowsBackward(
      NormalizeRowsBackward(
        directions: prompts, normalized: activations.embedding, norms: activations.norms,
        gradient: gradients.embedding))
    try backend.matmul(
      Matmul(input: gradients.embedding, weight: mlp.output.weight, side: .inputs, output: hidden))
    try backend.activationBackward(
      ActivationBackward(upstream: hidden, derivative: derivative, stack: stack, gradient: hidden))
    try backend.matmul(Matmul(input: hidden, weight: mlp.input.weight, side: .inputs, output: gradients.pooled))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.pooled, input: activations.pooled, statistics: activations.statistics,
        scale: mlp.norm.scale, stack: stack, addend: gradients.embedding, output: gradients.pooled))
    try backwardToDirections(gradients, on: backend)
  }

  /// The same for scores `prompts_p · (pooled · projection)`, which do not depend on the image (methods §11.4):
  /// `gradients` of one image serve all.
  package func backward(
    prompts: Matrix<B.Buffer>, through projection: Linear<B>, gradients: PoolerGradients<B>, on backend: B
  ) throws(BackendError) {
    try backend.matmul(Matmul(input: prompts, weight: projection.weight, side: .inputs, output: gradients.pooled))
    try backwardToDirections(gradients, on: backend)
  }

  /// From the model's own scores, of the embedding that `embed` made, to `gradients.directions`.
  package func backward(
    scoresOf prompts: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, gradients: PoolerGradients<B>,
    tower: VisionTower<B>
  ) throws(BackendError) {
    let backend = tower.backend
    if let mlp {
      return try backward(prompts: prompts, activations, through: mlp, gradients: gradients, on: backend)
    }
    try backend.normalizeRowsBackward(
      NormalizeRowsBackward(
        directions: prompts, normalized: activations.embedding, norms: activations.norms,
        gradient: gradients.embedding))
    try backend.matmul(
      Matmul(
        input: gradients.embedding, weight: tower.projection.weight, side: .inputs, output: gradients.pooled))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.pooled, input: activations.pooled, statistics: activations.statistics,
        scale: tower.outputNorm.scale, stack: PromptStack(prompts: prompts.rows, tokens: 1),
        output: gradients.pooled))
    try backwardToDirections(gradients, on: backend)
  }

  private func backwardToDirections(_ gradients: PoolerGradients<B>, on backend: B) throws(BackendError) {
    try backend.matmul(
      Matmul(input: gradients.pooled, weight: output.weight, side: .inputs, output: gradients.attended))
    for head in 0..<heads {
      try backend.matmul(
        Matmul(
          input: gradients.attended.columns(columns(of: head)), weight: values[head], side: .inputs,
          output: gradients.directions.everyRow(heads, from: head)))
    }
  }

  /// The gradient at the map, `[images · prompts · heads, tokens]`. `directions` are those of all images or of one that
  /// serves all.
  package func mapGradient(
    _ activations: PoolerActivations<B>, directions: Matrix<B.Buffer>, gradient: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    let stacked = gradient.rows / activations.shape.images
    try backend.keyScores(
      KeyScores(
        rows: directions, tokens: activations.tokens, heads: 1,
        stack: PromptStack(prompts: stacked, tokens: activations.shape.tokens), scores: gradient))
  }

  /// The positive part of the gradient at the map of each image and prompt, averaged over heads, into
  /// `relevance [images · prompts, tokens]`. `directions` are those of all images or of one that serves all; `scratch`
  /// receives the gradient.
  package func relevance(
    _ activations: PoolerActivations<B>, directions: Matrix<B.Buffer>, scratch: Matrix<B.Buffer>,
    relevance: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    try mapGradient(activations, directions: directions, gradient: scratch, on: backend)
    try backend.keyRelevance(
      KeyRelevance(
        .positiveGradient, gradient: scratch, heads: heads, factor: 1 / Float(heads), relevance: relevance))
  }
}
