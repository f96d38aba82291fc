import Compute
import Failures
import VisionTransformer

extension Method {
  /// Attention multiplied through the blocks from `start` on (methods §2.2). The same for every prompt.
  public static func rollout(start: Int = RolloutStart.standard.block) -> Method {
    Method(RolloutDescription(start: RolloutStart(block: start)))
  }
}

/// The first block that rollout multiplies.
public struct RolloutStart: MethodSetting, Hashable {
  public static let standard = RolloutStart(block: 1)

  /// From 0.
  public let block: Int

  public init(block: Int) { self.block = block }
}

struct RolloutDescription: MethodDescription {
  var start: RolloutStart

  let name = "rollout"
  let ignoresPrompts = true
  var settings: [any MethodSetting] { [start] }
  var labelWords: [String] { start == .standard ? [] : [Self.from, "\(start.block)"] }
  private static var from: String { "from" }

  func told(_ words: ArraySlice<String>) -> Self? {
    guard !words.isEmpty else { return self }
    guard words.count == 2, words.first == Self.from, let block = words.last.flatMap({ Int($0) }) else { return nil }
    return Self(start: RolloutStart(block: block))
  }

  mutating func take(_ setting: some MethodSetting) {
    if let start = setting as? RolloutStart { self.start = start }
  }

  func blocks(of layers: Int) throws(LeGradError) -> Range<Int> {
    guard (0..<layers).contains(start.block) else {
      throw LeGradError(.usage, "rollout from block \(start.block): the model has blocks 0..\(layers - 1)")
    }
    return start.block..<layers
  }

  /// A row through the mean of the heads' maps.
  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(layers) * 2 * Double(tower.tokens * tower.tokens)
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { RolloutMethod($0, &run) }
  }
}

/// Attention rollout (methods §2.2): the class token's row of the product of all blocks' mean maps, each averaged with
/// the identity; a pooler's mean map times that product (methods §2.6). The row is carried back from the last block to
/// the first that counts; a map's rows sum to one, so that the row-normalised `map + identity` is half of it.
struct RolloutMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let blocks: Range<Int>
  private let query: any QueryHead<B>
  @Planned private var row: Matrix<B.Buffer>
  @Planned private var next: Matrix<B.Buffer>

  init(_ query: any QueryHead<B>, _ run: inout RunPlan<B>) {
    sizes = run.sizes
    blocks = run.blocks
    self.query = query
    _row = run.memory.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
    _next = run.memory.reserve(rows: sizes.shape.images, columns: sizes.shape.tokens)
  }

  var firstCheckpoint: Int? { blocks.lowerBound }

  func retrace(_ forward: SharedForward<B>) throws(BackendError) {
    let backend = forward.backend
    try query.start(row, forward)
    for block in blocks.reversed() {
      try forward.checkCancellation()
      let activations = forward.reading(block)
      try forward.tower.blocks[block].forwardToAttention(activations, on: backend)
      try backend.rowThroughMap(
        RowThroughMap(
          row: row, queries: activations.queries, keys: activations.keys, heads: sizes.heads,
          stack: RowStack(copies: 1, rows: forward.shape.tokens), factor: 0.5, output: next))
      try backend.copy(Copy(next, to: row))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collectShared(row) }
}
