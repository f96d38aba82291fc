import Compute
import VisionTransformer

/// The rules by which relevance passes from what a layer gives to what it took (methods §3.1, alpha 1, beta 0), for
/// some prompts together.
///
/// A relevance has the rows of several prompts, one prompt after the other, where the layer's own values have those of
/// one image.
struct LRPRules<B: Backend>: Sendable {
  typealias Place = Matrix<B.Buffer>
  typealias Block = Float64Forward<B>.Block

  let forward: Float64Forward<B>
  /// Relevance of a block's input by the residual.
  @Planned private(set) var residual: Place
  /// Relevance of a block's attention before its projection.
  @Planned private(set) var attention: Place
  // Two matrices as wide as the tower, and others as wide as any layer.
  @Planned private var first: Place
  @Planned private var second: Place
  /// Denominators for one image.
  @Planned private var totals: Place
  @Planned private var quotients: Place
  @Planned private var wide: Place
  /// Relevance of a head's map; the first rows take that of a class token's in all heads.
  @Planned private var maps: Place

  private var backend: B { forward.backend }

  /// - Parameters:
  ///   - prompts: how many go back together.
  ///   - rows: of each of them.
  init(_ forward: Float64Forward<B>, prompts: Int, rows: Int, in plan: inout WorkspacePlan<B>) {
    let (vision, stacked) = (forward.vision, prompts * rows)
    let widest = max(3 * vision.width, vision.mlpWidth, forward.configuration.embeddingWidth, prompts)
    self.forward = forward
    _residual = plan.doubles(stacked, vision.width)
    _attention = plan.doubles(stacked, vision.width)
    _first = plan.doubles(stacked, vision.width)
    _second = plan.doubles(stacked, vision.width)
    _totals = plan.doubles(rows, widest)
    _quotients = plan.doubles(stacked, widest)
    _wide = plan.doubles(stacked, widest)
    _maps = plan.doubles(max(stacked, prompts * vision.heads), forward.tokens)
  }

  /// Relevance at `x Wᵀ` to `x`: positive parts by their own sum, negative parts by theirs; the bias takes none.
  /// `output` is another place than `relevance`.
  func linear(_ relevance: Place, input: Place, weight: Place, to output: Place) throws(BackendError) {
    let totals = totals.rows(0..<input.rows).columns(0..<weight.rows)
    let quotients = quotients.rows(0..<relevance.rows).columns(0..<weight.rows)
    for part in [PartProduct<B.Buffer>.Part.positive, .negative] {
      try backend.partProduct(
        PartProduct(.init(input, part), .init(weight, part, transposed: true), output: totals))
      try backend.relevanceShare(RelevanceShare(of: relevance, total: totals, output: quotients))
      try backend.partProduct(
        PartProduct(
          .init(quotients), .init(weight, part), scale: .init(input, part), accumulates: part == .negative,
          output: output))
    }
  }

  /// What `value` takes of relevance at the sum `total`.
  func share(_ relevance: Place, at total: Place, of value: Place, to output: Place) throws(BackendError) {
    try backend.relevanceShare(RelevanceShare(of: relevance, total: total, value: value, output: output))
  }

  /// What two branches say of the value that both read; `output` may be `first`.
  func fork(_ value: Place, _ first: Place, _ second: Place, to output: Place) throws(BackendError) {
    try share(first, at: value, of: value, to: output)
    try backend.relevanceShare(
      RelevanceShare(of: second, total: value, value: value, accumulates: true, output: output))
  }

  /// From an image's embedding to the class token that it was read from, one row per prompt.
  /// - Parameters:
  ///   - seeds: a row per prompt, 1 at the prompt and 0 elsewhere.
  ///   - text: the prompts' unit rows or the classes' weights, the classifier's weight.
  func throughReadOut(seeds: Place, text: Place, to output: Place) throws(BackendError) {
    let rows = 0..<seeds.rows
    let (readOut, classToken, read) = (forward.readOut, forward.classToken, forward.normalizedClassToken)
    if let embedding = readOut.embedding, let projection = readOut.projection {
      let relevance = wide.rows(rows).columns(0..<text.columns)
      try linear(seeds, input: embedding, weight: text, to: relevance)
      try linear(relevance, input: read, weight: projection, to: first.rows(rows))
    } else {
      try linear(seeds, input: read, weight: text, to: first.rows(rows))
    }
    try share(first.rows(rows), at: classToken, of: classToken, to: output)
  }

  /// From a block's output to its input by the residual, and to its attention's output before the projection.
  func throughMLP(
    _ block: Block, _ relevance: Place, residual: Place, attention: Place
  ) throws(BackendError) {
    let (rows, weights) = (0..<relevance.rows, forward.weights)
    let (first, second) = (first.rows(rows), second.rows(rows))
    let hidden = wide.rows(rows).columns(0..<block.hidden.columns)
    try share(relevance, at: block.output, of: block.mlp, to: first)
    try linear(first, input: block.hidden, weight: weights.mlpOutput.weight, to: hidden)
    try linear(hidden, input: block.normalizedMiddle, weight: weights.mlpInput.weight, to: first)
    try share(relevance, at: block.output, of: block.middle, to: second)
    try fork(block.middle, second, first, to: second)
    try share(second, at: block.middle, of: block.projected, to: first)
    try share(second, at: block.middle, of: block.input, to: residual)
    try linear(first, input: block.normalizedAttended, weight: weights.attentionOutput.weight, to: attention)
  }

  /// From `attention` and `residual` to the block's input.
  func throughAttention(_ block: Block, prompts: Int, to output: Place) throws(BackendError) {
    let (tokens, heads, rows) = (forward.tokens, forward.vision.heads, 0..<output.rows)
    let (residual, attention, first) = (residual.rows(rows), attention.rows(rows), first.rows(rows))
    let (fused, maps) = (wide.rows(rows).columns(0..<3 * output.columns), maps.rows(rows))
    try backend.relevanceShare(RelevanceShare(of: attention, total: block.attended, output: first))
    for number in 0..<heads {
      let head = Float64Forward<B>.Head(block.queriesKeysValues, number, of: heads)
      let relevance = Float64Forward<B>.Head(fused, number, of: heads)
      let quotients = first.columns(head.columns)
      try forward.attend(head)
      try halve(.init(quotients), .init(head.values, transposed: true), forward.map, to: maps)
      try backend.relevanceShare(RelevanceShare(of: maps, total: forward.products, output: maps))
      try halve(.init(maps), .init(head.keys), head.queries, to: relevance.queries)
      for prompt in 0..<prompts {
        let rows = prompt * tokens..<(prompt + 1) * tokens
        try halve(
          .init(maps.rows(rows), transposed: true), .init(head.queries), head.keys, to: relevance.keys.rows(rows))
        try halve(
          .init(forward.map, transposed: true), .init(quotients.rows(rows)), head.values,
          to: relevance.values.rows(rows))
      }
    }
    try linear(fused, input: block.normalizedInput, weight: forward.weights.attentionInput.weight, to: first)
    try fork(block.input, residual, first, to: output)
  }

  /// The relevance of a class token's row of a block's maps, positive values alone, mean of the heads: `[prompts,
  /// tokens]`.
  /// - Parameters:
  ///   - attention: at the class token's row of the attention's output, a row per prompt.
  ///   - ones: a row of as many ones as there are heads.
  func classTokenMap(_ block: Block, _ attention: Place, ones: Place, to output: Place) throws(BackendError) {
    let (heads, prompts) = (forward.vision.heads, attention.rows)
    let quotients = first.rows(0..<prompts)
    try backend.relevanceShare(RelevanceShare(of: attention, total: block.attended.rows(0..<1), output: quotients))
    for number in 0..<heads {
      let head = Float64Forward<B>.Head(block.queriesKeysValues, number, of: heads)
      try forward.attend(head, queries: 1)
      try halve(
        .init(quotients.columns(head.columns)), .init(head.values, transposed: true), forward.map.rows(0..<1),
        to: maps.rows(0..<prompts * heads).everyRow(heads, from: number))
    }
    for prompt in 0..<prompts {
      try backend.partProduct(
        PartProduct(
          .init(ones), .init(maps.rows(prompt * heads..<(prompt + 1) * heads), .positive), factor: 1 / Double(heads),
          output: output.rows(prompt..<prompt + 1)))
    }
  }

  /// Half of `value ⊙ (left · right)`: a product of two values leaves each of them half of its relevance.
  private func halve(
    _ left: PartProduct<B.Buffer>.Operand, _ right: PartProduct<B.Buffer>.Operand, _ value: Place, to output: Place
  ) throws(BackendError) {
    try backend.partProduct(PartProduct(left, right, factor: 0.5, scale: .init(value), output: output))
  }

  /// From what enters the first block to the pixels: the positions take their share, leading tokens are dropped, and
  /// patches are read by the rule for bounded inputs.
  ///
  /// A patch's value less the image's smallest is never negative, less the largest never positive: with them the rule
  /// is that of two linear layers, one of the positive and one of the negative weights, and a common denominator.
  /// - Parameter output: `[prompts · tokens, patch · patch]`, channels added.
  func throughEmbedding(_ relevance: Place, to output: Place) throws(BackendError) {
    let (parts, tokens, rows) = (forward.embedding, forward.tokens, 0..<relevance.rows)
    let (first, totals) = (first.rows(rows), totals.columns(0..<parts.tokens.columns))
    let bounds: [(PartProduct<B.Buffer>.Part, Place)] = [
      (.positive, parts.patches.rows(tokens..<2 * tokens)), (.negative, parts.patches.rows(2 * tokens..<3 * tokens)),
    ]
    for (part, distance) in bounds {
      try backend.partProduct(
        PartProduct(
          .init(distance), .init(parts.convolution, part, transposed: true), accumulates: part == .negative,
          output: totals))
    }
    try share(relevance, at: parts.sum, of: parts.tokens, to: first)
    // A leading token's row has no patch: its total is zero, and so is what it gets.
    try backend.relevanceShare(RelevanceShare(of: first, total: totals, output: first))
    for channel in 0..<3 {
      let columns = channel * output.columns..<(channel + 1) * output.columns
      for (part, distance) in bounds {
        try backend.partProduct(
          PartProduct(
            .init(first), .init(parts.convolution.columns(columns), part), scale: .init(distance.columns(columns)),
            accumulates: channel > 0 || part == .negative, output: output))
      }
    }
  }
}
