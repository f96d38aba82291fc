public import Compute

/// A transformer block with the read-out of LeGrad's score, small enough for central differences (methods §0, §1.2).
public struct TinyBlock: Sendable {
  public let activation: Activation
  /// Whether the score reads the first token, as the model's own does, or the mean of all.
  public let readsFirstToken: Bool
  public let images = 2
  public let heads = 3
  public let stack = RowStack(copies: 2, rows: 5)
  public let epsilon = 1e-5

  /// The block's input, and the weights `[outputs, inputs]` with their biases.
  public let input: DoubleMatrix
  public let norm1: (scale: DoubleMatrix, shift: DoubleMatrix)
  public let inputProjection: (weight: DoubleMatrix, bias: DoubleMatrix)
  public let outputProjection: (weight: DoubleMatrix, bias: DoubleMatrix)
  public let norm2: (scale: DoubleMatrix, shift: DoubleMatrix)
  public let mlp1: (weight: DoubleMatrix, bias: DoubleMatrix)
  public let mlp2: (weight: DoubleMatrix, bias: DoubleMatrix)
  /// The read-out: norm, projection and unit text rows.
  public let normPost: (scale: DoubleMatrix, shift: DoubleMatrix)
  public let projection: DoubleMatrix
  public let text: DoubleMatrix

  public init(activation: Activation, readsFirstToken: Bool = false) {
    let (width, mlp, embedding) = (12, 20, 7)
    var seed: UInt64 = 100
    // Values that float32 holds exactly, so that a backend can be given the same block.
    func random(_ rows: Int, _ columns: Int, deviation: Double = 1) -> DoubleMatrix {
      seed += 1
      return HostMatrix.random(rows, columns, seed: seed, deviation: deviation).doubles
    }
    func linear(_ outputs: Int, _ inputs: Int) -> (DoubleMatrix, DoubleMatrix) {
      (random(outputs, inputs, deviation: 1 / Double(inputs).squareRoot()), random(1, outputs, deviation: 0.3))
    }
    func norm() -> (DoubleMatrix, DoubleMatrix) { (random(1, width), random(1, width, deviation: 0.3)) }
    self.activation = activation
    self.readsFirstToken = readsFirstToken
    input = random(images * stack.rows, width)
    norm1 = norm()
    inputProjection = linear(3 * width, width)
    outputProjection = linear(width, width)
    norm2 = norm()
    mlp1 = linear(mlp, width)
    mlp2 = linear(width, mlp)
    normPost = norm()
    projection = random(embedding, width)
    let directions = Oracle.normalizeRows(random(stack.copies, embedding)).output
    text =
      HostMatrix(
        rows: directions.rows, columns: directions.columns, values: directions.values.map { Float($0) }
      ).doubles
  }

  private func linear(
    _ input: DoubleMatrix, _ layer: (weight: DoubleMatrix, bias: DoubleMatrix)
  ) -> DoubleMatrix {
    Oracle.epilogue(Oracle.matmul(input, weight: layer.weight), bias: layer.bias).output
  }

  private func norm(
    _ input: DoubleMatrix, _ norm: (scale: DoubleMatrix, shift: DoubleMatrix)
  ) -> (output: DoubleMatrix, statistics: DoubleMatrix) {
    Oracle.layerNorm(input, scale: norm.scale, shift: norm.shift, epsilon: epsilon)
  }

  private var fused: DoubleMatrix { linear(norm(input, norm1).output, inputProjection) }

  public var values: DoubleMatrix { fused.columns(24..<36) }

  /// The block's own attention maps, number `image · heads + head`.
  public var maps: [DoubleMatrix] {
    let fused = self.fused
    return Oracle.attentionMaps(
      queries: fused.columns(0..<12), keys: fused.columns(12..<24), heads: heads, tokens: stack.rows)
  }

  private struct Forward {
    let mid: DoubleMatrix
    let hidden: DoubleMatrix
    let mean: DoubleMatrix
    let embedding: DoubleMatrix
  }

  private func forward(_ maps: [DoubleMatrix]) -> Forward {
    let attended = Oracle.attend(maps, values: values, heads: heads, tokens: stack.rows)
    let mid = input + linear(attended, outputProjection)
    let hidden = linear(norm(mid, norm2).output, mlp1)
    let output = mid + linear(hidden.map { Oracle.activation(activation, $0) }, mlp2)
    let mean =
      readsFirstToken
      ? Oracle.gatherRows(output, rowNumbers: (0..<images).map { $0 * stack.rows })
      : Oracle.meanRows(output, rowsPerGroup: stack.rows)
    let embedding = Oracle.matmul(norm(mean, normPost).output, weight: projection)
    return Forward(mid: mid, hidden: hidden, mean: mean, embedding: embedding)
  }

  /// The scores `[images, prompts]` that the block would have with given maps.
  public func scores(_ maps: [DoubleMatrix]) -> DoubleMatrix {
    Oracle.matmul(Oracle.normalizeRows(forward(maps).embedding).output, weight: text)
  }

  /// The gradient of every image's and prompt's score at the attention's output, composed of the backward
  /// operations as the towers compose them (methods §11.1, §11.2).
  public func outputGradient() -> DoubleMatrix {
    let forward = self.forward(maps)
    let (normalized, norms) = Oracle.normalizeRows(forward.embedding)
    let embeddingGradient = Oracle.normalizeRowsBackward(directions: text, normalized: normalized, norms: norms)
    let tokenGradient = Oracle.layerNormBackward(
      upstream: Oracle.matmul(embeddingGradient, weight: projection, side: .inputs), input: forward.mean,
      statistics: norm(forward.mean, normPost).statistics, scale: normPost.scale,
      stack: RowStack(copies: stack.copies, rows: 1), factor: readsFirstToken ? 1 : 1 / Double(stack.rows))
    if readsFirstToken { return outputGradient(forward, ofFirstTokens: tokenGradient) }
    let hiddenGradient = Oracle.activationBackward(
      upstream: Oracle.matmul(tokenGradient, weight: mlp2.weight, side: .inputs),
      derivative: forward.hidden.map { Oracle.activationDerivative(activation, $0) }, stack: stack)
    let midGradient = Oracle.layerNormBackward(
      upstream: Oracle.matmul(hiddenGradient, weight: mlp1.weight, side: .inputs), input: forward.mid,
      statistics: norm(forward.mid, norm2).statistics, scale: norm2.scale, stack: stack, addend: tokenGradient)
    return Oracle.matmul(midGradient, weight: outputProjection.weight, side: .inputs)
  }

  /// The same where only the first token of a sequence has a gradient at the block's output.
  private func outputGradient(_ forward: Forward, ofFirstTokens gradient: DoubleMatrix) -> DoubleMatrix {
    var stream = DoubleMatrix(rows: gradient.rows * stack.rows, columns: gradient.columns)
    for row in 0..<gradient.rows {
      for column in 0..<gradient.columns { stream[row * stack.rows, column] = gradient[row, column] }
    }
    let hiddenGradient = Oracle.activationBackward(
      upstream: Oracle.matmul(stream, weight: mlp2.weight, side: .inputs),
      derivative: forward.hidden.map { Oracle.activationDerivative(activation, $0) }, stack: stack)
    let midGradient = Oracle.layerNormBackward(
      upstream: Oracle.matmul(hiddenGradient, weight: mlp1.weight, side: .inputs), input: forward.mid,
      statistics: norm(forward.mid, norm2).statistics, scale: norm2.scale, stack: stack)
    return Oracle.matmul(midGradient + stream, weight: outputProjection.weight, side: .inputs)
  }

  /// The gradients at the maps, number `(image · prompts + prompt) · heads + head`.
  public func mapGradients() -> [DoubleMatrix] {
    Oracle.attentionMapGradients(outputGradient: outputGradient(), values: values, heads: heads, stack: stack)
  }
}
