import Compute
import VisionTransformer

/// One forward that several methods read.
struct SharedForward<B: Backend>: Sendable {
  let sizes: RunSizes<B>
  let activations: VisionActivations<B>
  let head: any EmbeddingHead<B>
  /// Unit text rows, `[prompts, embedding]`.
  @Planned private(set) var directions: Matrix<B.Buffer>
  /// The input of every block from `firstCheckpoint` on, one over the other; absent where no method goes back.
  @Planned private var checkpoints: Matrix<B.Buffer>?
  private let firstCheckpoint: Int

  var tower: VisionTower<B> { sizes.tower }
  var backend: B { sizes.tower.backend }
  var shape: VisionShape { sizes.shape }

  /// Plans what `methods` read of a forward that ends in `head`.
  init(
    _ sizes: RunSizes<B>, head: any EmbeddingHead<B>, methods: [any ForwardMethod<B>], in plan: inout WorkspacePlan<B>
  ) {
    let (tower, shape) = (sizes.tower, sizes.shape)
    self.sizes = sizes
    self.head = head
    activations = VisionActivations(
      shape, of: tower, backward: methods.map(\.reach).max() ?? .none, in: &plan)
    _directions = plan.reserve(rows: max(sizes.prompts, 1), columns: tower.embeddingWidth)
    firstCheckpoint = methods.compactMap(\.firstCheckpoint).min() ?? tower.blocks.count
    let kept = tower.blocks.count - firstCheckpoint
    _checkpoints = plan.reserve(
      rows: max(kept, 1) * shape.rows, columnsIfAny: kept > 0 ? tower.blockShape.width : nil)
  }

  /// Fills in what no image changes.
  func prepare() throws(BackendError) {
    try tower.prepare(activations)
    try head.prepare(on: backend)
  }

  /// The last block's second MLP product, of all tokens.
  func runWholeLastBlock() throws(BackendError) {
    let block = activations.block
    try tower.blocks[lastBlock].forwardFromHidden(
      hidden: block.hidden, middle: block.middle, output: block.stream, on: backend)
  }

  /// The last block's number.
  var lastBlock: Int { sizes.lastBlock }

  /// The input of a block; nil where no method goes back so far.
  func checkpoint(of block: Int) -> Matrix<B.Buffer>? {
    guard let checkpoints, block >= firstCheckpoint else { return nil }
    let first = (block - firstCheckpoint) * shape.rows
    return checkpoints.rows(first..<first + shape.rows)
  }

  /// The activations' memory with the kept input of a block in it.
  func reading(_ block: Int) -> BlockActivations<B> {
    guard let checkpoint = checkpoint(of: block) else {
      preconditionFailure("block \(block) is before the first checkpoint, \(firstCheckpoint)")
    }
    return activations.block.reading(checkpoint)
  }
}
