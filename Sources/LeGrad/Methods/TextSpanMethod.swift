import Compute
import VisionTransformer

/// TextSpan's heat map (methods §4.3): what every patch adds, through the attention of every block, to the similarity of
/// the class token's final state and a text direction, the final norm linearised at its actual statistics.
///
/// With `w` the text direction, `ŵ = γ ⊙ (proj w)` and `u_l = W_oᵀ ŵ`, the heat of key `j` is
/// `(Σ_l Σ_h A_h0j (v_hj · u_lh)) / (n σ) + K`. `n` and `σ` are known after the forward and are factors, so that blocks
/// are added up as the forward passes them. `K` is the same for every key.
struct TextSpanMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  /// `proj w`, `[prompts, width]`.
  private let projected: Matrix<B.Buffer>
  /// `u_l` of the block at hand.
  private let headDirections: Matrix<B.Buffer>
  private let map: Matrix<B.Buffer>
  private let products: Matrix<B.Buffer>
  private let term: Matrix<B.Buffer>
  /// `[prompts · images, tokens]`.
  private let relevance: Matrix<B.Buffer>
  private let constants: Constants

  static func plan(
    _ sizes: RunSizes<B>, baseline: TextBaseline, in plan: inout WorkspacePlan
  ) -> PlannedMethod<B> {
    let (width, tokens) = (sizes.tower.blockShape.width, sizes.shape.tokens)
    let projected = plan.reserve(rows: sizes.prompts, columns: width)
    let headDirections = plan.reserve(rows: sizes.prompts, columns: width)
    let embedding = plan.reserve(rows: sizes.prompts, columns: sizes.tower.embeddingWidth)
    let map = plan.reserve(rows: sizes.shape.images * sizes.heads, columns: tokens)
    let products = plan.reserve(rows: sizes.groupsPerPass * sizes.heads, columns: tokens)
    let term = plan.reserve(rows: sizes.groupsPerPass, columns: tokens)
    let relevance = plan.reserve(rows: sizes.prompts * sizes.shape.images, columns: tokens)
    return PlannedMethod { workspace, forward, text throws(BackendError) in
      let (backend, tower) = (forward.backend, forward.tower)
      let directions = baseline.subtracted(from: text, prompts: sizes.prompts)
      try backend.upload(directions.span, to: workspace[embedding])
      try backend.matmul(
        Matmul(
          input: workspace[embedding], weight: tower.projection.weight, side: .inputs, output: workspace[projected]))
      return TextSpanMethod(
        sizes: sizes, projected: workspace[projected], headDirections: workspace[headDirections], map: workspace[map],
        products: workspace[products], term: workspace[term], relevance: workspace[relevance],
        constants: try Constants(sizes, projected: sizes.values(of: workspace[projected])))
    }
  }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, tower) = (forward.backend, forward.tower)
    try forward.classAttention(into: map)
    // W_oᵀ (γ ⊙ proj w), with the scale as the shared left operand.
    try backend.matmul(
      Matmul(
        input: tower.outputNorm.scale,
        inputScale: .init(scales: projected, stack: PromptStack(prompts: sizes.prompts, tokens: 1)),
        weight: tower.blocks[block].attentionOutput.weight, side: .inputs, output: headDirections))
    for pass in sizes.passes {
      let groups = forward.shape.images * pass.count
      let products = self.products.rows(0..<groups * sizes.heads)
      let sum = relevance.rows(sizes.rows(pass: pass))
      let term = block == 0 ? sum : self.term.rows(0..<groups)
      try backend.keyScores(
        KeyScores(
          rows: headDirections.rows(pass), tokens: forward.activations.block.values, heads: sizes.heads,
          stack: PromptStack(prompts: pass.count, tokens: forward.shape.tokens), scores: products))
      try backend.keyRelevance(
        KeyRelevance(.product, map: map, gradient: products, heads: sizes.heads, factor: 1, relevance: term))
      if block > 0 { try backend.addRows(AddRows(input: sum, addend: term, output: sum)) }
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    let statistics = try sizes.values(of: forward.readOut.statistics)
    let norms = try sizes.values(of: forward.readOut.norms)
    var images = try sizes.collect(relevance)
    let cells = forward.shape.grid.count
    for image in images.indices {
      let (mean, inverse) = (Double(statistics[2 * image]), Double(statistics[2 * image + 1]))
      let scale = inverse / Double(norms[image])
      for prompt in 0..<sizes.prompts {
        let constant = constants.constant(
          prompt, mean: mean, scale: scale, norm: Double(norms[image]), tokens: forward.shape.tokens)
        for cell in prompt * cells..<(prompt + 1) * cells {
          images[image][cell] = Float(Double(images[image][cell]) * scale + constant)
        }
      }
    }
    return images
  }
}

extension TextSpanMethod {
  /// What `K` is made of, per prompt.
  private struct Constants {
    private var biases: [Double] = []
    private var sums: [Double] = []
    private var shifts: [Double] = []
    private let layers: Int

    init(_ sizes: RunSizes<B>, projected: [Float]) throws(BackendError) {
      let tower = sizes.tower
      layers = tower.blocks.count
      let width = tower.blockShape.width
      let gains = try sizes.values(of: tower.outputNorm.scale)
      let offsets = try sizes.values(of: tower.outputNorm.shift)
      var bias = [Double](repeating: 0, count: width)
      for block in tower.blocks {
        guard let row = block.attentionOutput.bias else { continue }
        for (index, value) in try sizes.values(of: row).enumerated() { bias[index] += Double(value) }
      }
      for prompt in 0..<sizes.prompts {
        var (biasSum, sum, shift) = (0.0, 0.0, 0.0)
        for column in 0..<width {
          let value = Double(projected[prompt * width + column])
          let gained = Double(gains[column]) * value
          biasSum += bias[column] * gained
          sum += gained
          shift += Double(offsets[column]) * value
        }
        biases.append(biasSum)
        sums.append(sum)
        shifts.append(shift)
      }
    }

    /// - Parameter scale: `1 / (n σ)`.
    func constant(_ prompt: Int, mean: Double, scale: Double, norm: Double, tokens: Int) -> Double {
      // The share of attention among the parts that the final state is a sum of, for one key.
      let share = Double(layers) / Double((2 * layers + 1) * tokens)
      return biases[prompt] * scale / Double(tokens) - mean * sums[prompt] * scale * share
        + shifts[prompt] / norm * share
    }
  }
}

extension TextBaseline {
  /// Text rows `[prompts, embedding]` less the baseline.
  fileprivate func subtracted(from text: [Float], prompts: Int) -> [Float] {
    let width = text.count / prompts
    let baseline: [Double]
    switch self {
    case .none: return text
    case .prompt(let number): baseline = text[number * width..<(number + 1) * width].map(Double.init)
    case .mean:
      baseline = (0..<width).map { column in
        (0..<prompts).reduce(0.0) { $0 + Double(text[$1 * width + column]) } / Double(prompts)
      }
    }
    return text.indices.map { Float(Double(text[$0]) - baseline[$0 % width]) }
  }
}
