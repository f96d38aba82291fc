import Compute
import Failures
import VisionTransformer

/// One forward that several methods read.
struct SharedForward<B: Backend>: Sendable {
  let sizes: RunSizes<B>
  let activations: VisionActivations<B>
  let head: any EmbeddingHead<B>
  private let joined: JoinedBlocks
  /// Unit text rows, `[prompts, embedding]`.
  @Planned private(set) var directions: Matrix<B.Buffer>
  /// The input of every block from `firstCheckpoint` on, one over the other; absent where no method goes back.
  @Planned private var checkpoints: Matrix<B.Buffer>?
  private let firstCheckpoint: Int
  /// Whether the caller of the batch has given it up.
  var isCancelled: @Sendable () -> Bool = { false }

  var tower: VisionTower<B> { sizes.tower }
  var backend: B { sizes.tower.backend }
  var shape: VisionShape { sizes.shape }

  /// Plans what `methods` read of a forward that ends in `head`.
  init(
    _ sizes: RunSizes<B>, head: any EmbeddingHead<B>, methods: [any ForwardMethod<B>], joined: JoinedBlocks,
    in plan: inout WorkspacePlan<B>
  ) {
    let (tower, shape) = (sizes.tower, sizes.shape)
    self.sizes = sizes
    self.head = head
    self.joined = joined
    activations = VisionActivations(
      shape, of: tower, backward: methods.map(\.reach).max() ?? .none, together: joined.count, in: &plan)
    _directions = plan.reserve(rows: max(sizes.prompts, 1), columns: tower.embeddingWidth)
    firstCheckpoint = methods.compactMap(\.firstCheckpoint).min() ?? tower.blocks.count
    let kept = tower.blocks.count - firstCheckpoint
    _checkpoints = plan.reserve(
      rows: max(kept, 1) * shape.rows, columnsIfAny: kept > 0 ? tower.blockShape.width : nil)
  }

  /// Fails once the caller has given the batch up. Asked before each block, forward and back.
  func checkCancellation() throws(BackendError) {
    guard !isCancelled() else {
      throw BackendError(.cancelled, operation: .explain, "cancelled before the end of a batch, as it was asked")
    }
  }

  /// Fills in what no image changes.
  func prepare() throws(BackendError) {
    try tower.prepare(activations)
    try head.prepare(on: backend)
  }

  /// The last block's second MLP product, of all tokens.
  func runWholeLastBlock() throws(BackendError) {
    let block = lastActivations
    try tower.blocks[lastBlock].forwardFromHidden(
      hidden: block.hidden, middle: block.middle, output: block.stream, on: backend)
  }

  /// What a block leaves behind while it is the last of its group that ran, or the group is looked at.
  func activations(of block: Int) -> BlockActivations<B> { activations(of: block..<block + 1) }

  /// What the blocks of a group leave behind, one over the other.
  func activations(of blocks: Range<Int>) -> BlockActivations<B> {
    activations.blocks.blocks(joined.places(of: blocks))
  }

  /// What the last block leaves behind; blocks that are computed again take its place.
  var lastActivations: BlockActivations<B> { activations(of: lastBlock) }

  /// Where a block finds its input: the output of the one before.
  func input(of block: Int) -> Matrix<B.Buffer> { activations(of: block - 1).stream }

  /// The blocks that are looked at once `block` has run; nil where more of them are to come.
  func group(endingWith block: Int) -> Range<Int>? { joined.group(endingWith: block, last: lastBlock) }

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
    return lastActivations.reading(checkpoint)
  }
}
