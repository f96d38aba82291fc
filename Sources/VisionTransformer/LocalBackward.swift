package import Compute

/// The memory of a local backward for a stack of prompts.
package struct LocalGradients<B: Backend>: Sendable {
  /// `∂score/∂token`, the same for every token: `[images · prompts, width]`.
  package let token: Matrix<B.Buffer>
  /// `∂score/∂hidden`, the same for every token: `[images · prompts, mlpWidth]`.
  package let hidden: Matrix<B.Buffer>
  /// `∂score/∂middle`: `[images · prompts · tokens, width]`.
  package let middle: Matrix<B.Buffer>
  /// `∂score/∂attention output`: same shape.
  package let attentionOutput: Matrix<B.Buffer>

  package struct Slots: Sendable {
    let token, hidden, middle, attentionOutput: WorkspacePlan.Slot
  }

  package static func reserve(
    images: Int, stack: PromptStack, shape: BlockShape, in plan: inout WorkspacePlan
  ) -> Slots {
    let groups = images * stack.prompts
    return Slots(
      token: plan.reserve(rows: groups, columns: shape.width),
      hidden: plan.reserve(rows: groups, columns: shape.mlpWidth),
      middle: plan.reserve(rows: groups * stack.tokens, columns: shape.width),
      attentionOutput: plan.reserve(rows: groups * stack.tokens, columns: shape.width))
  }

  package init(_ slots: Slots, in workspace: Workspace<B>) {
    token = workspace[slots.token]
    hidden = workspace[slots.hidden]
    middle = workspace[slots.middle]
    attentionOutput = workspace[slots.attentionOutput]
  }

  /// The rows that a smaller stack needs.
  package init(_ gradients: LocalGradients, images: Int, stack: PromptStack) {
    let groups = images * stack.prompts
    token = gradients.token.rows(0..<groups)
    hidden = gradients.hidden.rows(0..<groups)
    middle = gradients.middle.rows(0..<groups * stack.tokens)
    attentionOutput = gradients.attentionOutput.rows(0..<groups * stack.tokens)
  }
}

extension TransformerBlock {
  /// From `gradients.token` to `gradients.attentionOutput` through this block's MLP and output projection
  /// (methods §11.2, unfolded form). Every token receives the same upstream row, so the second MLP product is one
  /// row per prompt, and the activation's backward is a scaling of the first product's input.
  package func localBackward(
    _ activations: BlockActivations<B>, stack: PromptStack, gradients: LocalGradients<B>, on backend: B
  ) throws(BackendError) {
    guard let derivative = activations.hiddenDerivative else {
      preconditionFailure("a local backward needs the activation's derivative")
    }
    try backend.matmul(
      Matmul(input: gradients.token, weight: mlpOutput.weight, side: .inputs, output: gradients.hidden))
    try backend.matmul(
      Matmul(
        input: derivative, inputScale: .init(scales: gradients.hidden, stack: stack), weight: mlpInput.weight,
        side: .inputs, output: gradients.middle))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradients.middle, input: activations.middle, statistics: activations.middleStatistics,
        scale: mlpNorm.scale, stack: stack, addend: gradients.token, output: gradients.middle))
    try backend.matmul(
      Matmul(
        input: gradients.middle, weight: attentionOutput.weight, side: .inputs, output: gradients.attentionOutput))
  }
}
