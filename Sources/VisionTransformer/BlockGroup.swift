package import Compute
import Failures

/// The scales of norms that a backward reads, a row for each block: `[blocks, columns]`.
struct BlockScales<B: Backend>: Sendable {
  let mlpNorm: Matrix<B.Buffer>
  let hiddenNorm: Matrix<B.Buffer>?
  let attendedNorm: Matrix<B.Buffer>?

  private init(_ mlpNorm: Matrix<B.Buffer>, _ hiddenNorm: Matrix<B.Buffer>?, _ attendedNorm: Matrix<B.Buffer>?) {
    self.mlpNorm = mlpNorm
    self.hiddenNorm = hiddenNorm
    self.attendedNorm = attendedNorm
  }

  /// Memory for so many blocks.
  init(blocks: Int, _ shape: BlockShape, on backend: B) throws(ModelError) {
    do throws(BackendError) {
      self.init(
        try backend.makeMatrix(rows: blocks, columns: shape.width),
        shape.hasHiddenNorm ? try backend.makeMatrix(rows: blocks, columns: shape.mlpWidth) : nil,
        shape.hasAttendedNorm ? try backend.makeMatrix(rows: blocks, columns: shape.width) : nil)
    } catch { throw .backend(error) }
  }

  func rows(_ blocks: Range<Int>) -> BlockScales {
    BlockScales(mlpNorm.rows(blocks), hiddenNorm?.rows(blocks), attendedNorm?.rows(blocks))
  }
}

/// Blocks of a tower that follow each other, and the way back through all of them at once. Rows of gradients are
/// `blocks · images · prompts · tokens`, those of activations `blocks · images · tokens`.
package struct BlockGroup<B: Backend>: Sendable {
  private let blocks: ArraySlice<TransformerBlock<B>>
  private let scales: BlockScales<B>

  init(_ blocks: ArraySlice<TransformerBlock<B>>, scales: BlockScales<B>) {
    self.blocks = blocks
    self.scales = scales
  }

  package var count: Int { blocks.count }

  var shape: BlockShape { blocks[blocks.startIndex].shape }

  /// From the gradient at what a layer of each block gives to that at what it reads.
  func backward(
    through layer: (TransformerBlock<B>) -> Linear<B>, _ gradient: Matrix<B.Buffer>,
    scale: Matmul<B.Buffer, B.Weight>.InputScale? = nil, to output: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    try backend.matmul(
      Matmul(
        input: gradient, inputScale: scale, weights: blocks.map { layer($0).weight }, side: .inputs, output: output))
  }

  /// Through the norm before the MLP.
  func mlpNormBackward(
    _ activations: BlockActivations<B>, stack: RowStack, addend: Matrix<B.Buffer>? = nil, gradient: Matrix<B.Buffer>,
    on backend: B
  ) throws(BackendError) {
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradient, input: activations.middle, statistics: activations.middleStatistics,
        scale: scales.mlpNorm, stack: stack, addend: addend, output: gradient))
  }

  /// From the gradient at what the MLP's second product reads to that at what its first product gives.
  /// - Parameters:
  ///   - gradient: with the rows of the result, or one row per prompt of an image; it may be written over.
  ///   - output: `[…, columns of the first product]`; may be `gradient` of a plain MLP where the rows are the same.
  func activationBackward(
    _ activations: BlockActivations<B>, gradient: Matrix<B.Buffer>, stack: RowStack, scratch: Matrix<B.Buffer>?,
    output: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    guard let derivative = activations.hiddenDerivative else {
      preconditionFailure("a backward needs the activation's derivative")
    }
    var upstream = gradient
    if let scale = scales.hiddenNorm, let activated = activations.activated,
      let statistics = activations.activatedStatistics
    {
      guard let scratch else { preconditionFailure("a norm before the second product has memory for its gradient") }
      try backend.layerNormBackward(
        LayerNormBackward(
          upstream: gradient, input: activated, statistics: statistics, scale: scale, stack: stack, output: scratch))
      upstream = scratch
    }
    // Of a gated MLP the derivatives by gate and value lie side by side, and both meet the same gradient.
    for first in stride(from: 0, to: output.columns, by: shape.mlpWidth) {
      let columns = first..<first + shape.mlpWidth
      try backend.activationBackward(
        ActivationBackward(
          upstream: upstream, derivative: derivative.columns(columns), stack: stack, gradient: output.columns(columns)))
    }
  }

  /// From the gradient at the attention's projection's input to that at the attention's output, in place.
  func attendedBackward(
    _ activations: BlockActivations<B>, stack: RowStack, gradient: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    guard let scale = scales.attendedNorm, let attended = activations.attended,
      let statistics = activations.attendedStatistics
    else { return }
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: gradient, input: attended, statistics: statistics, scale: scale, stack: stack, output: gradient))
  }
}
