import Compute
import VisionTransformer

/// LeGrad with each block's score read from the class token: only query 0 of a map carries a gradient then, so that one
/// row goes back instead of all.
struct ClassLeGradMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let blocks: Range<Int>
  private let backward: RowBackward<B>
  /// `[layers · prompts · images, tokens]`.
  private let relevance: Matrix<B.Buffer>

  static func plan(_ sizes: RunSizes<B>, blocks: Range<Int>, in plan: inout WorkspacePlan) -> PlannedMethod<B> {
    let backward = RowBackward<B>.reserve(sizes, in: &plan)
    let relevance = plan.reserve(rows: blocks.count * sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(reach: .attention) { workspace, _, _ in
      ClassLeGradMethod(
        sizes: sizes, blocks: blocks, backward: RowBackward(backward, in: workspace), relevance: workspace[relevance])
    }
  }

  func keepsDerivative(of block: Int) -> Bool { blocks.contains(block) }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    guard blocks.contains(block) else { return }
    let tokens = forward.shape.tokens
    let classToken =
      block == sizes.lastBlock ? forward.tail.classToken : forward.activations.block.stream.everyRow(tokens)
    try forward.backend.copy(Copy(classToken, to: forward.readOut.input))
    try forward.readOut.forward(forward.tower)
    for pass in sizes.passes {
      let mapGradient = try backward.run(block, pass, forward)
      // The mean is over all queries, of which the others give nothing.
      try forward.backend.keyRelevance(
        KeyRelevance(
          .positiveGradient, gradient: mapGradient, heads: sizes.heads, factor: 1 / Float(sizes.heads * tokens),
          relevance: relevance.rows(sizes.rows(layer: block - blocks.lowerBound, pass: pass))))
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try sizes.collect(relevance, layers: blocks.count)
  }
}
