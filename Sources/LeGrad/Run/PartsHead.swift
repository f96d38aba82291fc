import Compute
import Failures
import VisionTransformer

/// A part of what a head reads of the normalised tokens.
enum TokenPart: Equatable, Sendable {
  /// A token before the patches, by its number.
  case token(Int)
  /// The mean of the patches.
  case patches
  /// The mean of all tokens.
  case all

  /// Those of a head that normalises tokens first and reads parts of them, side by side; nil for any other head.
  static func parts(of vision: VisionConfiguration) -> [TokenPart]? {
    switch vision.pooling {
    case .classAndPatches: [.token(0), .patches]
    case .classAndDistillation: [.token(0), .token(1)]
    case .average where vision.blockScore == .ownPooling && !vision.normsAfterPooling:
      [vision.averagesLeadingTokens ? .all : .patches]
    case .average, .classToken, .unpooled, .map, .queries: nil
    }
  }
}

/// Reads parts of the normalised tokens of a block's output, side by side: the class token and the mean of the patches
/// of DINOv2's classifier, the class and the distillation token of DeiT's, a mean alone (methods §1.8).
struct PartsHead<B: Backend>: EmbeddingHead {
  let parts: [TokenPart]
  /// What reads the mean of all tokens, where a block's score may: DeiT's.
  let tokenReader: TokenReader<B>?
  private let shape: VisionShape
  /// Of as many blocks as are read at once. The normalised tokens, and mean and 1/σ of each.
  @Planned private var tokens: Matrix<B.Buffer>
  @Planned private var statistics: Matrix<B.Buffer>
  /// `[images, parts · width]`.
  @Planned private var features: Matrix<B.Buffer>
  @Planned private var embeddings: Matrix<B.Buffer>
  @Planned private var norms: Matrix<B.Buffer>

  init(_ parts: [TokenPart], _ shape: VisionShape, joined: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>)
  {
    let width = tower.configuration.width
    self.parts = parts
    self.shape = shape
    tokenReader =
      tower.configuration.pooling == .classAndDistillation
      ? TokenReader(images: shape.images, joined: joined, tower: tower, in: &plan) : nil
    let images = joined * shape.images
    _tokens = plan.reserve(rows: images * shape.tokens, columns: width)
    _statistics = plan.reserve(rows: images * shape.tokens, columns: 2)
    _features = plan.reserve(rows: images, columns: parts.count * width)
    _embeddings = plan.reserve(rows: images, columns: tower.embeddingWidth)
    _norms = plan.reserve(rows: images, columns: 1)
  }

  var embedding: Matrix<B.Buffer> { embeddings.rows(0..<shape.images) }

  /// What was read of so many blocks.
  struct Reading {
    let statistics, embedding, norms: Matrix<B.Buffer>
  }

  func reading(images: Int) -> Reading {
    Reading(
      statistics: statistics.rows(0..<images * shape.tokens), embedding: embeddings.rows(0..<images),
      norms: norms.rows(0..<images))
  }

  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    if readsMeanToken { try tokenReader?.runLastBlock(forward, readsMeanToken: true) }
    try forward.runWholeLastBlock()
  }

  func embed(_ forward: SharedForward<B>) throws(BackendError) {
    try read(forward.lastActivations.stream, tower: forward.tower)
  }

  /// Reads the output of a block, or of several one over the other.
  func read(_ stream: Matrix<B.Buffer>, tower: VisionTower<B>) throws(BackendError) {
    let (backend, norm, width) = (tower.backend, tower.outputNorm, stream.columns)
    let images = stream.rows / shape.tokens
    let (reading, tokens, features) = (
      reading(images: images), self.tokens.rows(0..<stream.rows), self.features.rows(0..<images)
    )
    try backend.layerNorm(
      LayerNorm(
        input: stream, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: tokens,
        statistics: reading.statistics))
    for (number, part) in parts.enumerated() {
      let columns = features.columns(number * width..<(number + 1) * width)
      switch part {
      case .token(let token):
        try backend.copy(Copy(tokens.everyRow(shape.tokens, from: token), to: columns))
      case .patches: try shape.of(images: images).meanPatches(of: tokens, into: columns, on: backend)
      case .all: try backend.meanRows(MeanRows(input: tokens, rowsPerGroup: shape.tokens, output: columns))
      }
    }
    try tower.project(features, to: reading.embedding, norms: reading.norms)
  }
}
