package import Compute
import Failures

/// The way back from a gradient that all tokens of a block's output share to the block's attention, of several blocks at
/// once, with its memory. Each block's images count as images of their own.
package protocol SharedTokenBackward<B>: Sendable {
  associatedtype B: Backend

  /// `∂score/∂token`, the same for every token: `[images · prompts, width]`.
  var token: Matrix<B.Buffer> { get }

  /// The rows that a smaller stack needs.
  func part(images: Int, stack: RowStack) -> Self

  /// From `token` to `∂score/∂attention output`, `[images · prompts · tokens, width]`.
  func run(
    _ blocks: BlockGroup<B>, _ activations: BlockActivations<B>, stack: RowStack, on backend: B
  ) throws(BackendError) -> Matrix<B.Buffer>
}

extension LocalGradients: SharedTokenBackward {
  package func run(
    _ blocks: BlockGroup<B>, _ activations: BlockActivations<B>, stack: RowStack, on backend: B
  ) throws(BackendError) -> Matrix<B.Buffer> {
    try blocks.localBackward(activations, stack: stack, gradients: self, on: backend)
    return attentionOutput
  }
}

/// `LocalGradients` of a folded tower (methods §11.2): the MLP's first layer and the attention's projection are one
/// product for each prompt, and what the norm between them takes out is a product that all prompts share.
package struct FoldedGradients<B: Backend>: SharedTokenBackward {
  @Planned package private(set) var token: Matrix<B.Buffer>
  /// `∂score/∂hidden`, the same for every token: `[images · prompts, mlpWidth]`.
  @Planned private var hidden: Matrix<B.Buffer>
  @Planned private var attentionOutput: Matrix<B.Buffer>
  /// The normalised stream between attention and MLP, through the projection: `[images · tokens, width]`.
  @Planned private var projectedMiddle: Matrix<B.Buffer>
  /// `token` through the projection.
  @Planned private var projectedToken: Matrix<B.Buffer>

  package init(images: Int, stack: RowStack, shape: BlockShape, in plan: inout WorkspacePlan<B>) {
    precondition(shape.isFolded, "folded gradients of a tower that is not")
    let groups = images * stack.copies
    _token = plan.reserve(rows: groups, columns: shape.width)
    _hidden = plan.reserve(rows: groups, columns: shape.mlpWidth)
    _attentionOutput = plan.reserve(rows: groups * stack.rows, columns: shape.width)
    _projectedMiddle = plan.reserve(rows: images * stack.rows, columns: shape.width)
    _projectedToken = plan.reserve(rows: groups, columns: shape.width)
  }

  package func part(images: Int, stack: RowStack) -> FoldedGradients {
    let groups = images * stack.copies
    var part = self
    part.token = token.rows(0..<groups)
    part.hidden = hidden.rows(0..<groups)
    part.attentionOutput = attentionOutput.rows(0..<groups * stack.rows)
    part.projectedMiddle = projectedMiddle.rows(0..<images * stack.rows)
    part.projectedToken = projectedToken.rows(0..<groups)
    return part
  }

  package func run(
    _ blocks: BlockGroup<B>, _ activations: BlockActivations<B>, stack: RowStack, on backend: B
  ) throws(BackendError) -> Matrix<B.Buffer> {
    guard let derivative = activations.hiddenDerivative, let slopes = activations.slopes else {
      preconditionFailure("a folded backward needs the activation's derivative and slopes")
    }
    try blocks.backward(through: \.mlpOutput, token, to: hidden, on: backend)
    try blocks.backward(
      through: { block in
        guard let folded = block.folded else { preconditionFailure("a folded backward needs a folded block") }
        return folded
      }, derivative, scale: .init(scales: hidden, stack: stack), to: attentionOutput, on: backend)
    // The norm's scale and shift are in the weights behind it, so that its output is the normalised row itself.
    for (source, target) in [(activations.normalized, projectedMiddle), (token, projectedToken)] {
      try blocks.backward(through: \.attentionOutput, source, to: target, on: backend)
    }
    try backend.foldedNormBackward(
      FoldedNormBackward(
        product: attentionOutput, slopes: slopes, scales: hidden, projected: projectedMiddle,
        statistics: activations.middleStatistics, addend: projectedToken, stack: stack, output: attentionOutput))
    try blocks.attendedBackward(activations, stack: stack, gradient: attentionOutput, on: backend)
    return attentionOutput
  }
}
