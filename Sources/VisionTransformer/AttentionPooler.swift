package import Compute
import Failures

/// An attention of one learned query on an image's tokens (methods §1.4, §1.5), in the closed form of §11.3: what is
/// constant of the model is folded into one key direction per head, and values are projected after they are summed.
///
/// Tokens have a column of ones at their end, so that the bias of the values is the last column of their projection, in
/// both directions.
package struct AttentionPooler<B: Backend>: Sendable {
  package let heads: Int
  /// Width of the pooled row.
  package let width: Int
  /// Width of the tower's tokens.
  package let tokenWidth: Int
  /// CoCa's layer norm of the tokens; others have none here.
  package let tokenNorm: Norm<B>?
  /// `W_kᵀ q / √(width of a head)`, and a zero: `[heads, tokenWidth + 1]`. The bias of the keys is the same for every
  /// token and cancels in the softmax.
  package let keyDirections: Matrix<B.Buffer>
  /// Of each head `[width / heads, tokenWidth + 1]`.
  package let values: [B.Weight]
  package let output: Linear<B>
  /// The MLP behind the attention; CoCa has none.
  package let mlp: PoolerMLP<B>?
  /// Whether the tokens before the patches are left out.
  package let readsPatchesOnly: Bool

  package var headWidth: Int { width / heads }

  /// Columns of head `head` in a pooled row.
  package func columns(of head: Int) -> Range<Int> { head * headWidth..<(head + 1) * headWidth }
}

/// `pooled + W₂ φ(W₁ layerNorm(pooled) + b₁) + b₂`.
package struct PoolerMLP<B: Backend>: Sendable {
  package let norm: Norm<B>
  package let input: Linear<B>
  package let output: Linear<B>
  package let activation: Activation
}

extension AttentionPooler {
  /// Nil for a tower without such a pooler.
  init?(_ configuration: ModelConfiguration, loader: LayerLoader<B>) throws(ModelError) {
    let vision = configuration.vision
    switch vision.pooling {
    case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation: return nil
    case .map: try self.init(map: vision, loader: loader)
    case .queries(_, let heads):
      try self.init(queries: vision, heads: heads, width: configuration.embeddingWidth, loader: loader)
    }
  }

  private init(map vision: VisionConfiguration, loader: LayerLoader<B>) throws(ModelError) {
    let width = vision.width
    let name = "visual.attn_pool."
    let projections = PoolerProjections(
      weights: try loader.values(name + "in_proj_weight"), bias: try loader.values(name + "in_proj_bias"),
      width: width, tokenWidth: width)
    let query = try loader.values(name + "query").map(Double.init)
    heads = vision.poolerHeads
    self.width = width
    tokenWidth = width
    tokenNorm = nil
    keyDirections = try loader.matrix(projections.keyDirections(query: query, heads: heads), columns: width + 1)
    values = try loader.weights(projections.valueProjections(heads: heads), columns: width + 1)
    output = try loader.linear(
      TensorPair(name + "out_proj"), outputs: width, inputs: width)
    mlp = PoolerMLP(
      norm: try loader.norm(TensorPair(name + "ln_mlp"), epsilon: vision.epsilon),
      input: try loader.linear(
        TensorPair(name + "mlp.c_fc"), outputs: vision.poolerMLPWidth, inputs: width),
      output: try loader.linear(
        TensorPair(name + "mlp.c_proj"), outputs: width, inputs: vision.poolerMLPWidth),
      activation: vision.activation)
    readsPatchesOnly = vision.poolsPatchesOnly
  }

  private init(
    queries vision: VisionConfiguration, heads: Int, width: Int, loader: LayerLoader<B>
  ) throws(ModelError) {
    let name = "visual.attn_pool."
    let weights: [Float] =
      vision.width == width
      ? try loader.values(name + "attn.in_proj_weight")
      : try loader.values(name + "attn.q_proj_weight") + loader.values(name + "attn.k_proj_weight")
        + loader.values(name + "attn.v_proj_weight")
    let projections = PoolerProjections(
      weights: weights, bias: try loader.values(name + "attn.in_proj_bias"), width: width, tokenWidth: vision.width)
    // The other queries feed a decoder of captions.
    let query = normalized(
      try loader.values(name + "query").prefix(width), scale: try loader.values(name + "ln_q.weight"),
      shift: try loader.values(name + "ln_q.bias"), epsilon: Double(vision.epsilon))
    self.heads = heads
    self.width = width
    tokenWidth = vision.width
    tokenNorm = try loader.norm(TensorPair(name + "ln_k"), epsilon: vision.epsilon)
    keyDirections = try loader.matrix(
      projections.keyDirections(query: query, heads: heads), columns: vision.width + 1)
    values = try loader.weights(projections.valueProjections(heads: heads), columns: vision.width + 1)
    output = try loader.linear(
      TensorPair(name + "attn.out_proj"), outputs: width, inputs: width)
    mlp = nil
    readsPatchesOnly = false
  }
}

/// The three projections of a pooler's attention, one over the other: queries `[width, width]`, keys and values
/// `[width, tokenWidth]`.
private struct PoolerProjections {
  let weights: [Float]
  let bias: [Float]
  let width: Int
  let tokenWidth: Int

  /// See `AttentionPooler.keyDirections`.
  func keyDirections(query: [Double], heads: Int) -> [Float] {
    let headWidth = width / heads
    var directions = [Double](repeating: 0, count: heads * (tokenWidth + 1))
    for row in 0..<width {
      var projected = Double(bias[row])
      for column in 0..<width { projected += Double(weights[row * width + column]) * query[column] }
      projected /= Double(headWidth).squareRoot()
      let key = width * width + row * tokenWidth
      let direction = row / headWidth * (tokenWidth + 1)
      for column in 0..<tokenWidth { directions[direction + column] += projected * Double(weights[key + column]) }
    }
    return directions.map { Float($0) }
  }

  /// See `AttentionPooler.values`.
  func valueProjections(heads: Int) -> [[Float]] {
    let headWidth = width / heads
    let first = width * width + width * tokenWidth
    return (0..<heads).map { head in
      (head * headWidth..<(head + 1) * headWidth).flatMap { row in
        let start = first + row * tokenWidth
        return weights[start..<start + tokenWidth] + [bias[2 * width + row]]
      }
    }
  }
}

/// A layer norm of one row, in Double.
private func normalized(_ row: ArraySlice<Float>, scale: [Float], shift: [Float], epsilon: Double) -> [Double] {
  let values = row.map(Double.init)
  let mean = values.reduce(0, +) / Double(values.count)
  let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
  return values.indices.map {
    (values[$0] - mean) / (variance + epsilon).squareRoot() * Double(scale[$0]) + Double(shift[$0])
  }
}

extension LayerLoader {
  fileprivate func matrix(_ values: [Float], columns: Int) throws(ModelError) -> Matrix<B.Buffer> {
    do {
      let matrix = try backend.makeMatrix(rows: values.count / columns, columns: columns)
      try backend.upload(values.span, to: matrix)
      return matrix
    } catch { throw .backend(error) }
  }

  fileprivate func weights(_ parts: [[Float]], columns: Int) throws(ModelError) -> [B.Weight] {
    var weights: [B.Weight] = []
    for part in parts {
      do {
        weights.append(try backend.prepare(part.span, rows: part.count / columns, columns: columns))
      } catch { throw .backend(error) }
    }
    return weights
  }
}
