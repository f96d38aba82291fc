import Compute
import VisionTransformer

/// LeGrad in any of its forms: each of the chosen blocks is read by a score, and the score's gradient at an attention map
/// makes a map for each prompt (methods §1.2).
protocol LayerMethod<B>: ForwardMethod {
  var maps: LayerMaps<B> { get }

  /// Reads what the scores of a block are made of.
  func read(_ block: Int, _ forward: SharedForward<B>) throws(BackendError)
  /// Makes the maps of a pass's prompts, `[images · prompts, tokens]`.
  func fill(
    _ maps: Matrix<B.Buffer>, of block: Int, _ pass: Range<Int>, _ forward: SharedForward<B>
  ) throws(BackendError)
}

extension LayerMethod {
  var sizes: RunSizes<B> { maps.sizes }

  func keepsDerivative(of block: Int) -> Bool { maps.blocks.contains(block) }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    guard maps.blocks.contains(block) else { return }
    try read(block, forward)
    for pass in sizes.passes { try fill(maps.rows(of: block, pass), of: block, pass, forward) }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try maps.collect() }

  /// The maps of a gradient at the output of a block's attention (methods §11.2).
  func fill(
    _ maps: Matrix<B.Buffer>, outputGradient: Matrix<B.Buffer>, _ stack: RowStack, _ forward: SharedForward<B>
  ) throws(BackendError) {
    try forward.backend.attentionRelevance(
      AttentionRelevance(
        outputGradient: outputGradient, values: forward.activations.block.values, heads: sizes.heads, stack: stack,
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

  func rows(of block: Int, _ pass: Range<Int>) -> Matrix<B.Buffer> {
    relevance.rows(sizes.rows(layer: block - blocks.lowerBound, pass: pass))
  }

  func collect() throws(BackendError) -> [[Float]] { try sizes.collect(relevance, layers: blocks.count) }
}
