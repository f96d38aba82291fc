import Compute
import VisionTransformer

/// LeGrad in any of its forms: each of the chosen blocks is read by a score, and the score's gradient at an attention map
/// makes a map for each prompt (methods §1.2).
protocol LayerMethod<B>: ForwardMethod {
  var maps: LayerMaps<B> { get }

  /// Reads what the scores of some blocks are made of.
  func read(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError)
  /// Makes the maps of a pass's prompts, `[blocks · images · prompts, tokens]`.
  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError)
}

extension LayerMethod {
  var sizes: RunSizes<B> { maps.sizes }

  func keepsDerivative(of block: Int) -> Bool { maps.blocks.contains(block) }

  func visit(_ blocks: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let blocks = blocks.clamped(to: maps.blocks)
    guard !blocks.isEmpty else { return }
    try read(blocks, forward)
    for pass in sizes.passes { try fill(maps.rows(of: blocks, pass), of: blocks, pass, forward) }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try maps.collect() }

  /// The maps of a gradient at the output of the blocks' attention (methods §11.2).
  func fill(
    _ maps: Matrix<B.Buffer>, of blocks: Range<Int>, outputGradient: Matrix<B.Buffer>, _ stack: RowStack,
    _ forward: SharedForward<B>
  ) throws(BackendError) {
    try forward.backend.attentionRelevance(
      AttentionRelevance(
        outputGradient: outputGradient, values: forward.activations(of: blocks).values, heads: sizes.heads,
        stack: stack,
        relevance: maps))
  }
}

/// The maps of the chosen blocks.
struct LayerMaps<B: Backend>: Sendable {
  let sizes: RunSizes<B>
  let blocks: Range<Int>
  /// `[layers · prompts · images, tokens]`.
  @Planned private var relevance: Matrix<B.Buffer>

  /// - Parameter sizes: if not those of the method that plans.
  init(_ run: inout RunPlan<B>, sizes: RunSizes<B>? = nil) {
    let sizes = sizes ?? run.sizes
    self.sizes = sizes
    blocks = run.blocks
    _relevance = run.memory.reserve(
      rows: blocks.count * sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
  }

  func rows(of read: Range<Int>, _ pass: Range<Int>) -> Matrix<B.Buffer> {
    let first = read.lowerBound - blocks.lowerBound
    return relevance.rows(sizes.rows(layers: first..<first + read.count, pass: pass))
  }

  func collect() throws(BackendError) -> [[Float]] { try sizes.collect(relevance, layers: blocks.count) }
}
