public import Compute

/// A CLIP text transformer on a backend: token ids to unit embeddings (methods §9.1).
public final class TextTower<B: Backend>: Sendable {
  public let configuration: TextConfiguration
  public let embeddingWidth: Int
  private let backend: B
  private let source: any WeightSource
  private let blocks: [TransformerBlock<B>]
  private let blockShape: BlockShape
  private let outputNorm: Norm<B>
  private let projection: Linear<B>
  private let positionalTable: [Float]

  /// Prompts that run together; bounds the memory, not the result.
  private static var promptsPerBatch: Int { 32 }

  public init(
    _ source: any WeightSource, configuration text: TextConfiguration, on backend: B
  ) throws(ModelError) {
    let loader = LayerLoader(source: source, backend: backend)
    configuration = text
    embeddingWidth = source.configuration.embeddingWidth
    self.backend = backend
    self.source = source
    let shape = BlockShape(
      width: text.width, heads: text.heads, mlpWidth: text.mlpWidth, activation: text.activation,
      epsilon: text.epsilon)
    blockShape = shape
    positionalTable = try loader.values("positional_embedding")
    var blocks: [TransformerBlock<B>] = []
    let weights = WeightSequence(groupCount: text.layers)
    for layer in 0..<text.layers {
      blocks.append(
        try TransformerBlock(
          prefix: "transformer.resblocks.\(layer).", shape: shape, group: weights.group(layer), loader: loader))
    }
    self.blocks = blocks
    outputNorm = try loader.norm("ln_final", epsilon: text.epsilon)
    projection = try loader.linear(
      weight: "text_projection", bias: nil, outputs: source.configuration.embeddingWidth, inputs: text.width)
  }

  /// Unit rows `[prompts, embeddingWidth]` for framed token ids, one array of at most `contextLength` per prompt.
  ///
  /// Attention is causal and the embedding is read at the end-of-text token, so what is behind it is not computed.
  public func encode(_ prompts: [[Int32]]) throws(ModelError) -> [Float] {
    var embeddings: [Float] = []
    var first = 0
    while first < prompts.count {
      let batch = Array(prompts[first..<min(first + Self.promptsPerBatch, prompts.count)])
      embeddings += try encodeBatch(batch)
      first += batch.count
    }
    return embeddings
  }

  private func encodeBatch(_ prompts: [[Int32]]) throws(ModelError) -> [Float] {
    let ends = prompts.map { configuration.pooling.position(in: $0) }
    let tokens = (ends.max() ?? 0) + 1
    let embedded = try embed(prompts, tokens: tokens)
    do throws(BackendError) {
      var plan = WorkspacePlan()
      let slots = BlockActivations<B>.reserve(
        rows: prompts.count * tokens, shape: blockShape, backward: .none, in: &plan)
      let pooledSlot = plan.reserve(rows: prompts.count, columns: configuration.width)
      let embeddingSlot = plan.reserve(rows: prompts.count, columns: embeddingWidth)
      let normsSlot = plan.reserve(rows: prompts.count, columns: 1)
      let workspace = try Workspace(plan, on: backend)
      let activations = BlockActivations(slots, in: workspace)
      let pooled = workspace[pooledSlot]
      let embedding = workspace[embeddingSlot]

      try backend.upload(embedded.span, to: activations.stream)
      for block in blocks {
        try block.forwardToHidden(activations, tokens: tokens, mask: .causal, keepDerivative: false, on: backend)
        try block.forwardFromHidden(
          hidden: activations.hidden, middle: activations.middle, output: activations.stream, on: backend)
      }
      try backend.gatherRows(
        GatherRows(
          source: activations.stream, rowNumbers: ends.indices.map { $0 * tokens + ends[$0] }, output: pooled))
      try backend.layerNorm(
        LayerNorm(
          input: pooled, scale: outputNorm.scale, shift: outputNorm.shift, epsilon: outputNorm.epsilon,
          output: pooled))
      try backend.matmul(Matmul(input: pooled, weight: projection.weight, output: embedding))
      try backend.normalizeRows(NormalizeRows(input: embedding, output: embedding, norms: workspace[normsSlot]))
      var rows = [Float](repeating: 0, count: prompts.count * embeddingWidth)
      var span = rows.mutableSpan
      try backend.download(embedding, into: &span)
      return rows
    } catch { throw .backend(error) }
  }

  /// Token plus position embeddings of the first `tokens` ids of each prompt, read straight from the checkpoint:
  /// a prompt needs a few rows of a large table.
  private func embed(_ prompts: [[Int32]], tokens: Int) throws(ModelError) -> [Float] {
    let width = configuration.width
    var ids: [Int] = []
    for prompt in prompts {
      for position in 0..<tokens { ids.append(position < prompt.count ? Int(prompt[position]) : 0) }
    }
    var rows: [Float]
    do { rows = try source.tokenEmbeddingRows(ids: ids) } catch { throw .checkpoint(error) }
    for row in 0..<ids.count {
      let position = row % tokens
      for column in 0..<width { rows[row * width + column] += positionalTable[position * width + column] }
    }
    return rows
  }
}

extension TextConfiguration.Pooling {
  /// The position in framed ids whose state is the text's; the last one if no end of text is found.
  func position(in ids: [Int32]) -> Int {
    switch self {
    case .argmax: ids.indices.max { (ids[$0], $1) < (ids[$1], $0) } ?? 0
    case .firstEOT(let id): ids.firstIndex { Int($0) == id } ?? ids.count - 1
    }
  }
}
