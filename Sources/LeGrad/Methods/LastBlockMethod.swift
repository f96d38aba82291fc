import Compute
import VisionTransformer

/// GradCAM's attention form (methods §2.3a) and CheferCAM on the last block (methods §2.4): the class token's attention
/// and the gradient of the logit there, read in two ways.
struct LastBlockMethod<B: Backend>: ForwardMethod {
  private let reading: HeadReading
  private let block: Int
  private let backward: RowBackward<B>
  private let map: Matrix<B.Buffer>
  private let relevance: Matrix<B.Buffer>

  /// - Parameter reading: `weightedMap` for GradCAM, `positiveProduct` for CheferCAM.
  static func plan(
    _ sizes: RunSizes<B>, _ reading: HeadReading, in plan: inout WorkspacePlan
  ) -> PlannedMethod<B> {
    let backward = RowBackward<B>.reserve(sizes, in: &plan)
    let map = plan.reserve(rows: sizes.shape.images * sizes.heads, columns: sizes.shape.tokens)
    let relevance = plan.reserve(rows: sizes.prompts * sizes.shape.images, columns: sizes.shape.tokens)
    return PlannedMethod(reach: .attention) { workspace, _, _ in
      LastBlockMethod(
        reading: reading, block: sizes.lastBlock, backward: RowBackward(backward, in: workspace), map: workspace[map],
        relevance: workspace[relevance])
    }
  }

  func keepsDerivative(of block: Int) -> Bool { block == self.block }

  func finish(_ forward: SharedForward<B>) throws(BackendError) {
    let heads = forward.sizes.heads
    // CheferCAM differentiates the logit, GradCAM the similarity.
    let factor = reading == .positiveProduct ? forward.tower.logitScale : 1
    try forward.classAttention(into: map)
    for pass in forward.sizes.passes {
      let mapGradient = try backward.run(block, pass, forward, factor: factor)
      try relate(pass, mapGradient, heads: heads, forward)
    }
  }

  private func relate(
    _ pass: Range<Int>, _ mapGradient: Matrix<B.Buffer>, heads: Int, _ forward: SharedForward<B>
  ) throws(BackendError) {
    try forward.backend.keyRelevance(
      KeyRelevance(
        reading, map: map, gradient: mapGradient, heads: heads, leadingKeys: 1, factor: 1 / Float(heads),
        relevance: relevance.rows(forward.sizes.rows(pass: pass))))
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    try forward.sizes.collect(relevance)
  }
}
