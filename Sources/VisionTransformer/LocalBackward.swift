package import Compute
import Failures

/// The memory of a local backward for a stack of prompts.
package struct LocalGradients<B: Backend>: Sendable {
  /// `∂score/∂token`, the same for every token: `[images · prompts, width]`.
  @Planned package private(set) var token: Matrix<B.Buffer>
  /// `∂score/∂hidden`, the same for every token: `[images · prompts, mlpWidth]`, of a gated MLP twice side by side.
  @Planned package private(set) var hidden: Matrix<B.Buffer>
  /// Where a norm follows the activation: the gradients at the activation and at the first product, which differ from
  /// token to token.
  @Planned fileprivate(set) var activated: Matrix<B.Buffer>?
  @Planned fileprivate(set) var product: Matrix<B.Buffer>?
  /// `∂score/∂middle`: `[images · prompts · tokens, width]`.
  @Planned package private(set) var middle: Matrix<B.Buffer>
  /// `∂score/∂attention output`: same shape.
  @Planned package private(set) var attentionOutput: Matrix<B.Buffer>

  package init(images: Int, stack: RowStack, shape: BlockShape, in plan: inout WorkspacePlan<B>) {
    let groups = images * stack.copies
    _token = plan.reserve(rows: groups, columns: shape.width)
    _hidden = plan.reserve(rows: groups, columns: shape.mlpInputWidth)
    let rows = groups * stack.rows
    _activated = plan.reserve(rows: rows, columnsIfAny: shape.hasHiddenNorm ? shape.mlpWidth : nil)
    _product = plan.reserve(rows: rows, columnsIfAny: shape.hasHiddenNorm ? shape.mlpInputWidth : nil)
    _middle = plan.reserve(rows: groups * stack.rows, columns: shape.width)
    _attentionOutput = plan.reserve(rows: groups * stack.rows, columns: shape.width)
  }

  /// The rows that a smaller stack needs.
  package func part(images: Int, stack: RowStack) -> LocalGradients {
    let groups = images * stack.copies
    var part = self
    part.token = token.rows(0..<groups)
    part.hidden = hidden.rows(0..<groups)
    part.activated = activated?.rows(0..<groups * stack.rows)
    part.product = product?.rows(0..<groups * stack.rows)
    part.middle = middle.rows(0..<groups * stack.rows)
    part.attentionOutput = attentionOutput.rows(0..<groups * stack.rows)
    return part
  }
}

extension BlockGroup {
  /// From `gradients.token` to `gradients.attentionOutput` through each block's MLP and output projection
  /// (methods §11.2, unfolded form). Every token receives the same upstream row, so the second MLP product is one
  /// row per prompt, and the activation's backward is a scaling of the first product's input.
  package func localBackward(
    _ activations: BlockActivations<B>, stack: RowStack, gradients: LocalGradients<B>, on backend: B
  ) throws(BackendError) {
    let hidden = gradients.hidden.columns(0..<shape.mlpWidth)
    try backward(through: \.mlpOutput, gradients.token, to: hidden, on: backend)
    if let product = gradients.product {
      try activationBackward(
        activations, gradient: hidden, stack: stack, scratch: gradients.activated, output: product, on: backend)
      try backward(through: \.mlpInput, product, to: gradients.middle, on: backend)
    } else {
      guard let derivative = activations.hiddenDerivative else {
        preconditionFailure("a local backward needs the activation's derivative")
      }
      if shape.isGated {
        try backend.copy(Copy(hidden, to: gradients.hidden.columns(shape.mlpWidth..<2 * shape.mlpWidth)))
      }
      try backward(
        through: \.mlpInput, derivative, scale: .init(scales: gradients.hidden, stack: stack), to: gradients.middle,
        on: backend)
    }
    try mlpNormBackward(activations, stack: stack, addend: gradients.token, gradient: gradients.middle, on: backend)
    try backward(through: \.attentionOutput, gradients.middle, to: gradients.attentionOutput, on: backend)
    try attendedBackward(activations, stack: stack, gradient: gradients.attentionOutput, on: backend)
  }
}
