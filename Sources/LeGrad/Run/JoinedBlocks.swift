import Compute
import VisionTransformer

/// Which blocks of a forward are there at once, so that methods look at several together: on a device whose launches cost
/// more than small operations, one operation on all of their rows takes the place of one for each.
struct JoinedBlocks: Sendable, Equatable {
  /// The first block that is looked at; those before it leave nothing but their output.
  let first: Int
  /// Blocks of a group.
  let count: Int

  /// One block at a time.
  static let none = JoinedBlocks(first: 0, count: 1)

  private init(first: Int, count: Int) {
    self.first = first
    self.count = count
  }

  /// - Parameters:
  ///   - blocks: those that are looked at.
  ///   - rows: of a block's largest gradient.
  ///   - limit: rows that are worth joining.
  init(_ blocks: Range<Int>, rows: Int, limit: Int) {
    let most = max(1, limit / rows)
    let groups = (blocks.count + most - 1) / most
    self.init(first: blocks.lowerBound, count: max(1, (blocks.count + groups - 1) / max(1, groups)))
  }

  /// Fewer at a time; nil where there is one.
  var halved: JoinedBlocks? { count > 1 ? JoinedBlocks(first: first, count: (count + 1) / 2) : nil }

  /// Where a block's activations are; of block -1, where the tokens are that enter the first.
  func place(of block: Int) -> Int { block < first ? count - 1 : (block - first) % count }

  /// Where those of blocks of one group are.
  func places(of blocks: Range<Int>) -> Range<Int> {
    let start = place(of: blocks.lowerBound)
    precondition(
      blocks.count == 1 || blocks.lowerBound >= first && start + blocks.count <= count,
      "blocks \(blocks) are not one group of \(count) from \(first) on")
    return start..<start + blocks.count
  }

  /// The group that is complete with `block`; nil where it is not yet.
  func group(endingWith block: Int, last: Int) -> Range<Int>? {
    let place = place(of: block)
    if block < first { return block..<block + 1 }
    return place == count - 1 || block == last ? block - place..<block + 1 : nil
  }
}
