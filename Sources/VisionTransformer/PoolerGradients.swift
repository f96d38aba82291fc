package import Compute
import Failures

/// The memory of a pooler's backward for a stack of prompts, and how it runs. Groups are pairs of an image and a
/// prompt.
package struct PoolerGradients<B: Backend>: Sendable {
  /// `[images · prompts, embedding]`.
  @Planned private(set) var embedding: Matrix<B.Buffer>
  /// At what the MLP gives: `[images · prompts, width]`.
  @Planned private(set) var output: Matrix<B.Buffer>?
  @Planned private(set) var hidden: Matrix<B.Buffer>?
  @Planned private(set) var pooled: Matrix<B.Buffer>
  @Planned private(set) var attended: Matrix<B.Buffer>
  /// Directions of the tokens along which the map's gradient grows: `[images · prompts · heads, tokenWidth + 1]`.
  @Planned package private(set) var directions: Matrix<B.Buffer>
  /// The gradient at the attention map: `[images · prompts · heads, tokens]`.
  @Planned package private(set) var map: Matrix<B.Buffer>

  /// - Parameters:
  ///   - groups: images · prompts of one backward.
  ///   - mapGroups: images · prompts whose maps' gradients are there at once.
  package init(
    groups: Int, mapGroups: Int, tokens: Int, pooler: AttentionPooler<B>, tower: VisionTower<B>,
    in plan: inout WorkspacePlan<B>
  ) {
    _embedding = plan.reserve(rows: groups, columns: tower.embeddingWidth)
    _output = plan.reserve(rows: groups, columnsIfAny: pooler.mlp == nil ? nil : pooler.width)
    _hidden = plan.reserve(rows: groups, columnsIfAny: pooler.mlp?.input.outputs)
    _pooled = plan.reserve(rows: groups, columns: pooler.width)
    _attended = plan.reserve(rows: groups, columns: pooler.width)
    _directions = plan.reserve(rows: groups * pooler.heads, columns: pooler.tokenWidth + 1)
    _map = plan.reserve(rows: mapGroups * pooler.heads, columns: tokens)
  }

  /// The rows that fewer groups of image and prompt need.
  package func part(groups: Int, heads: Int) -> PoolerGradients {
    var part = self
    part.embedding = embedding.rows(0..<groups)
    part.output = output?.rows(0..<groups)
    part.hidden = hidden?.rows(0..<groups)
    part.pooled = pooled.rows(0..<groups)
    part.attended = attended.rows(0..<groups)
    part.directions = directions.rows(0..<groups * heads)
    part.map = map.rows(0..<groups * heads)
    return part
  }
}

extension AttentionPooler {
  /// From the scores `prompts_p · embedding_b` to `gradients.directions` (methods §11.3).
  package func backward(
    prompts: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, through mlp: PoolerMLP<B>,
    gradients: PoolerGradients<B>, tower: VisionTower<B>
  ) throws(BackendError) {
    guard let hidden = gradients.hidden, let output = gradients.output, let derivative = activations.derivative else {
      preconditionFailure("a pooler with an MLP has memory for it")
    }
    let (backend, stack) = (tower.backend, RowStack(copies: prompts.rows, rows: 1))
    try tower.scoreGradient(
      directions: prompts, embedding: activations.embedding, norms: activations.norms, to: gradients.embedding)
    try tower.projectionBackward(gradients.embedding, to: output)
    try backend.matmul(Matmul(input: output, weight: mlp.output.weight, side: .inputs, output: hidden))
    try backend.activationBackward(
      ActivationBackward(upstream: hidden, derivative: derivative, stack: stack, gradient: hidden))
    try backend.matmul(Matmul(input: hidden, weight: mlp.input.weight, side: .inputs, output: gradients.pooled))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.pooled, input: activations.pooled, statistics: activations.statistics,
        scale: mlp.norm.scale, stack: stack, addend: output, output: gradients.pooled))
    try backwardToDirections(gradients, on: backend)
  }

  /// The same for scores `prompts_p · (pooled · projection)`, which do not depend on the image (methods §11.4):
  /// `gradients` of one image serve all.
  package func backward(
    prompts: Matrix<B.Buffer>, gradients: PoolerGradients<B>, tower: VisionTower<B>
  ) throws(BackendError) {
    try tower.projectionBackward(prompts, to: gradients.pooled)
    try backwardToDirections(gradients, on: tower.backend)
  }

  /// From the model's own scores, of the embedding that `embed` made, to `gradients.directions`.
  package func backward(
    scoresOf prompts: Matrix<B.Buffer>, _ activations: PoolerActivations<B>, gradients: PoolerGradients<B>,
    tower: VisionTower<B>
  ) throws(BackendError) {
    let backend = tower.backend
    if let mlp {
      return try backward(prompts: prompts, activations, through: mlp, gradients: gradients, tower: tower)
    }
    try tower.scoreGradient(
      directions: prompts, embedding: activations.embedding, norms: activations.norms, to: gradients.embedding)
    try tower.projectionBackward(gradients.embedding, to: gradients.pooled)
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.pooled, input: activations.pooled, statistics: activations.statistics,
        scale: tower.outputNorm.scale, stack: RowStack(copies: prompts.rows, rows: 1),
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
        stack: RowStack(copies: stacked, rows: activations.shape.tokens), scores: gradient))
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
