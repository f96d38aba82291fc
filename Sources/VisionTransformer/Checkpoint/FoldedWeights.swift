package import Compute
import Failures

/// A model's weights with each vision block's norm in front of the MLP folded into the MLP's first layer, and with the
/// product of that layer and the attention's projection beside them (methods §11.2).
///
/// The tower computes the same function: its norms have scale 1 and shift 0, `W₁ diag(γ)` stands for `W₁` and
/// `b₁ + W₁ β` for `b₁`.
package struct FoldedWeights: WeightSource {
  private let source: any WeightSource
  /// `left [rows, inner] · right [inner, columns]`, row-major.
  private let product:
    @Sendable (_ left: [Float], _ right: [Float], _ rows: Int, _ inner: Int, _ columns: Int) throws(BackendError)
      -> [Float]
  private let blocks: [BlockTensors]

  /// - Parameter backend: multiplies, in float32.
  package init<B: Backend>(_ source: any WeightSource, on backend: B) {
    precondition(backend.precision == .f32, "folded weights are products of float32")
    self.source = source
    product = { left, right, rows, inner, columns throws(BackendError) in
      let input = try backend.makeMatrix(rows: rows, columns: inner)
      let output = try backend.makeMatrix(rows: rows, columns: columns)
      try backend.upload(left.span, to: input)
      let weight = try backend.prepare(right.span, rows: inner, columns: columns)
      try backend.matmul(Matmul(input: input, weight: weight, side: .inputs, output: output))
      var product = [Float](repeating: 0, count: rows * columns)
      var span = product.mutableSpan
      try backend.download(output, into: &span)
      return product
    }
    blocks = (0..<source.configuration.vision.layers).map(VisionTensors.block)
  }

  package var configuration: ModelConfiguration { source.configuration }

  package func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float] {
    try source.tokenEmbeddingRows(ids: ids)
  }

  package func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    for block in blocks {
      switch canonicalName {
      case block.mlpNorm.weight: return [Float](repeating: 1, count: configuration.vision.width)
      case block.mlpNorm.bias: return [Float](repeating: 0, count: configuration.vision.width)
      case block.mlpInput.weight: return try scaledInput(block).map { Float($0) }
      case block.mlpInput.bias: return try shiftedBias(block)
      case block.folded: return try folded(block)
      default: continue
      }
    }
    return try source.floats(canonicalName)
  }

  package func stored(_ canonicalName: String) -> StoredWeight? {
    blocks.contains { $0.mlpInput.weight == canonicalName } ? nil : source.stored(canonicalName)
  }

  /// `W₁ diag(γ)`.
  private func scaledInput(_ block: BlockTensors) throws(CheckpointError) -> [Double] {
    let scale = try source.doubles(block.mlpNorm.weight)
    var weight = try source.doubles(block.mlpInput.weight)
    for index in weight.indices { weight[index] *= scale[index % scale.count] }
    return weight
  }

  /// `b₁ + W₁ β`.
  private func shiftedBias(_ block: BlockTensors) throws(CheckpointError) -> [Float] {
    let shift = try source.doubles(block.mlpNorm.bias)
    let weight = try source.doubles(block.mlpInput.weight)
    let bias = try source.doubles(block.mlpInput.bias)
    return bias.indices.map { row in
      Float(shift.indices.reduce(bias[row]) { $0 + weight[row * shift.count + $1] * shift[$1] })
    }
  }

  /// `W₁ diag(γ) (I − 1/D) W_o`: each row of the first factor loses its mean, which is what the norm's backward takes out.
  private func folded(_ block: BlockTensors) throws(CheckpointError) -> [Float] {
    let width = configuration.vision.width
    let scaled = try scaledInput(block)
    var centred = [Float](repeating: 0, count: scaled.count)
    for first in stride(from: 0, to: scaled.count, by: width) {
      let mean = scaled[first..<first + width].reduce(0, +) / Double(width)
      for index in first..<first + width { centred[index] = Float(scaled[index] - mean) }
    }
    let projection = try source.floats(block.attentionOutput.weight)
    do { return try product(centred, projection, configuration.vision.mlpWidth, width, width) } catch {
      throw CheckpointError(
        .folding, file: "folding", place: block.folded, expected: "memory for the product of two weights",
        found: "\(error)", remedy: "leave \(Subject.fold) out")
    }
  }
}

extension VisionConfiguration {
  /// Why the product of two of a block's weights cannot stand for both; nil where it can.
  package var foldingObstacle: String? {
    if hasAttentionPooler { return "an attention pooler reads the tokens" }
    if mlp == .gated { return "the MLP is gated" }
    return hasHiddenNorm ? "a norm is inside the MLP" : nil
  }
}
