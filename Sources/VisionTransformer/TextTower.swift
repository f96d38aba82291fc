public import Compute

/// A text transformer of CLIP, SigLIP or CoCa on a backend: token ids to unit embeddings (methods §9.1).
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
  /// CoCa's token behind the context.
  private let classEmbedding: [Float]?

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
    classEmbedding = text.pooling == .classToken ? try loader.values("cls_emb") : nil
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
      weight: "text_projection", bias: text.hasProjectionBias ? "text_projection.bias" : nil,
      outputs: source.configuration.embeddingWidth, inputs: text.width)
  }

  /// Unit rows `[prompts, embeddingWidth]` for framed token ids, one array of at most `contextLength` per prompt.
  ///
  /// Where attention is causal, what is behind the tokens that are read is not computed.
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
    let batch = TextBatch(prompts, configuration: configuration)
    let embedded = try embed(batch)
    do throws(BackendError) {
      var plan = WorkspacePlan()
      let slots = BlockActivations<B>.reserve(
        rows: prompts.count * batch.tokens, shape: blockShape, backward: .none, in: &plan)
      let pooledSlot = plan.reserve(rows: prompts.count, columns: configuration.width)
      let embeddingSlot = plan.reserve(rows: prompts.count, columns: embeddingWidth)
      let normsSlot = plan.reserve(rows: prompts.count, columns: 1)
      let classSlots =
        batch.classKeys.isEmpty
        ? nil : ClassTokenAttention<B>.reserve(batch.classKeys, shape: blockShape, in: &plan)
      let workspace = try Workspace(plan, on: backend)
      let activations = BlockActivations(slots, in: workspace)
      let pooled = workspace[pooledSlot]
      let embedding = workspace[embeddingSlot]
      let classAttention = classSlots.map {
        ClassTokenAttention($0, keys: batch.classKeys, tokens: batch.tokens, heads: blockShape.heads, in: workspace)
      }

      try backend.upload(embedded.span, to: activations.stream)
      for block in blocks {
        try block.forwardToHidden(
          activations, tokens: batch.tokens, mask: configuration.isCausal ? .causal : .none, keepDerivative: false,
          on: backend
        ) { () throws(BackendError) in try classAttention?.run(activations, on: self.backend) }
        try block.forwardFromHidden(
          hidden: activations.hidden, middle: activations.middle, output: activations.stream, on: backend)
      }
      try backend.gatherRows(
        GatherRows(source: activations.stream, rowNumbers: batch.pooledRows, output: pooled))
      try backend.layerNorm(
        LayerNorm(
          input: pooled, scale: outputNorm.scale, shift: outputNorm.shift, epsilon: outputNorm.epsilon,
          output: pooled))
      try backend.matmul(
        Matmul(
          input: pooled, weight: projection.weight, output: embedding, epilogue: .init(bias: projection.bias)))
      try backend.normalizeRows(NormalizeRows(input: embedding, output: embedding, norms: workspace[normsSlot]))
      var rows = [Float](repeating: 0, count: prompts.count * embeddingWidth)
      var span = rows.mutableSpan
      try backend.download(embedding, into: &span)
      return rows
    } catch { throw .backend(error) }
  }

  /// Token plus position embeddings, read straight from the checkpoint: a prompt needs a few rows of a large table.
  private func embed(_ batch: TextBatch) throws(ModelError) -> [Float] {
    let width = configuration.width
    let embeddings: [Float]
    do { embeddings = try source.tokenEmbeddingRows(ids: batch.ids) } catch { throw .checkpoint(error) }
    var rows: [Float] = []
    rows.reserveCapacity(batch.count * batch.tokens * width)
    for prompt in 0..<batch.count {
      rows += embeddings[prompt * batch.words * width..<(prompt + 1) * batch.words * width]
      rows += classEmbedding ?? []
    }
    for row in 0..<batch.count * batch.tokens {
      let position = batch.position(of: row % batch.tokens)
      for column in 0..<width { rows[row * width + column] += positionalTable[position * width + column] }
    }
    return rows
  }
}
