package import Compute
import Failures

/// The read-out `f = normalize(projection(layerNorm(row)))` of one row per image, and its backward. A tower may have no
/// projection, and a classifier's features are not scaled to unit length. Where several blocks are read at once, the
/// images of each count as images of their own.
package struct ReadOut<B: Backend>: Sendable {
  /// The rows that are read: `[images, width]`.
  @Planned package private(set) var input: Matrix<B.Buffer>
  @Planned private(set) var normalized: Matrix<B.Buffer>
  /// Mean and 1/σ of the rows that were read.
  @Planned package private(set) var statistics: Matrix<B.Buffer>
  /// Unit rows `[images, embedding]`; a classifier's features as they are.
  @Planned package private(set) var embedding: Matrix<B.Buffer>
  /// Lengths of the embeddings before they were made unit rows.
  @Planned package private(set) var norms: Matrix<B.Buffer>

  package init(images: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>) {
    _input = plan.reserve(rows: images, columns: tower.configuration.width)
    _normalized = plan.reserve(rows: images, columns: tower.configuration.width)
    _statistics = plan.reserve(rows: images, columns: 2)
    _embedding = plan.reserve(rows: images, columns: tower.projection?.outputs ?? tower.configuration.width)
    _norms = plan.reserve(rows: images, columns: 1)
  }

  /// That of the first images.
  package func part(images: Int) -> ReadOut {
    var part = self
    part.input = input.rows(0..<images)
    part.normalized = normalized.rows(0..<images)
    part.statistics = statistics.rows(0..<images)
    part.embedding = embedding.rows(0..<images)
    part.norms = norms.rows(0..<images)
    return part
  }

  /// Reads `input` into `embedding`.
  package func forward(_ tower: VisionTower<B>) throws(BackendError) {
    if let norm = tower.readOutNorm {
      try tower.backend.layerNorm(
        LayerNorm(
          input: input, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: normalized,
          statistics: statistics))
    } else {
      try tower.backend.copy(Copy(input, to: normalized))
    }
    try tower.project(normalized, to: embedding, norms: norms)
  }

  /// Reads the image's own embedding from the last block's output where the tower pools more than the class token.
  /// `scratch` has the shape of `stream`.
  package func forward(
    pooling stream: Matrix<B.Buffer>, scratch: Matrix<B.Buffer>, shape: VisionShape, tower: VisionTower<B>
  ) throws(BackendError) {
    let backend = tower.backend
    let vision = tower.configuration
    if vision.pooling == .unpooled || vision.averagesLeadingTokens && vision.normsAfterPooling {
      try backend.meanRows(MeanRows(input: stream, rowsPerGroup: shape.tokens, output: input))
      return try forward(tower)
    }
    if vision.normsAfterPooling {
      try shape.meanPatches(of: stream, into: input, on: backend)
      return try forward(tower)
    }
    let norm = tower.outputNorm
    try backend.layerNorm(
      LayerNorm(input: stream, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: scratch))
    try shape.meanPatches(of: scratch, into: normalized, on: backend)
    try tower.project(normalized, to: embedding, norms: norms)
  }

  /// Takes the mean of each image's patches as the rows that are read.
  package func readPatches(
    of stream: Matrix<B.Buffer>, shape: VisionShape, on backend: B
  ) throws(BackendError) {
    try shape.of(images: input.rows).meanPatches(of: stream, into: input, on: backend)
  }

  /// The gradient of every score `directions_p · embedding_b` at the rows that were read, times `factor`, into
  /// `gradient [images · prompts, width]`. `embeddingGradient [images · prompts, embedding]` is scratch.
  package func backward(
    directions: Matrix<B.Buffer>, factor: Float, embeddingGradient: Matrix<B.Buffer>, gradient: Matrix<B.Buffer>,
    tower: VisionTower<B>
  ) throws(BackendError) {
    try tower.scoreGradient(directions: directions, embedding: embedding, norms: norms, to: embeddingGradient)
    try tower.projectionBackward(embeddingGradient, to: gradient)
    let stack = RowStack(copies: directions.rows, rows: 1)
    guard let norm = tower.readOutNorm else {
      // The projection has read these rows.
      try tower.backend.fill(Fill(normalized, with: factor))
      return try tower.backend.activationBackward(
        ActivationBackward(upstream: gradient, derivative: normalized, stack: stack, gradient: gradient))
    }
    try tower.backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradient, input: input, statistics: statistics, scale: norm.scale, stack: stack, factor: factor,
        output: gradient))
  }
}
