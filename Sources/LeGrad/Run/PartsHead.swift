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
  /// The normalised tokens, and mean and 1/σ of each.
  @Planned private var tokens: Matrix<B.Buffer>
  @Planned private(set) var statistics: Matrix<B.Buffer>
  /// `[images, parts · width]`.
  @Planned private var features: Matrix<B.Buffer>
  @Planned private(set) var embedding: Matrix<B.Buffer>
  @Planned private(set) var norms: Matrix<B.Buffer>

  init(_ parts: [TokenPart], _ shape: VisionShape, tower: VisionTower<B>, in plan: inout WorkspacePlan<B>) {
    let width = tower.configuration.width
    self.parts = parts
    self.shape = shape
    tokenReader =
      tower.configuration.pooling == .classAndDistillation
      ? TokenReader(images: shape.images, tower: tower, in: &plan) : nil
    _tokens = plan.reserve(rows: shape.rows, columns: width)
    _statistics = plan.reserve(rows: shape.rows, columns: 2)
    _features = plan.reserve(rows: shape.images, columns: parts.count * width)
    _embedding = plan.reserve(rows: shape.images, columns: tower.embeddingWidth)
    _norms = plan.reserve(rows: shape.images, columns: 1)
  }

  func runLastBlock(_ forward: SharedForward<B>, readsMeanToken: Bool) throws(BackendError) {
    if readsMeanToken { try tokenReader?.runLastBlock(forward, readsMeanToken: true) }
    try forward.runWholeLastBlock()
  }

  func embed(_ forward: SharedForward<B>) throws(BackendError) {
    try read(forward.activations.block.stream, tower: forward.tower)
  }

  /// Reads a block's output into `embedding`.
  func read(_ stream: Matrix<B.Buffer>, tower: VisionTower<B>) throws(BackendError) {
    let (backend, norm, width) = (tower.backend, tower.outputNorm, stream.columns)
    try backend.layerNorm(
      LayerNorm(
        input: stream, scale: norm.scale, shift: norm.shift, epsilon: norm.epsilon, output: tokens,
        statistics: statistics))
    for (number, part) in parts.enumerated() {
      let columns = features.columns(number * width..<(number + 1) * width)
      switch part {
      case .token(let token):
        try backend.copy(Copy(tokens.everyRow(shape.tokens, from: token), to: columns))
      case .patches: try shape.meanPatches(of: tokens, into: columns, on: backend)
      case .all: try backend.meanRows(MeanRows(input: tokens, rowsPerGroup: shape.tokens, output: columns))
      }
    }
    try tower.project(features, to: embedding, norms: norms)
  }
}
