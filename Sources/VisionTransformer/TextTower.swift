public import Compute
import Failures

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
          BlockTensors("transformer", layer: layer), shape: shape, group: weights.group(layer), loader: loader))
    }
    self.blocks = blocks
    outputNorm = try loader.norm(TensorPair("ln_final"), epsilon: text.epsilon)
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
      var plan = WorkspacePlan<B>()
      let activations = BlockActivations(
        rows: prompts.count * batch.tokens, shape: blockShape, backward: .none, in: &plan)
      let readOut = TextReadOut(
        prompts: prompts.count, width: configuration.width, embeddingWidth: embeddingWidth, in: &plan)
      let classAttention =
        batch.classKeys.isEmpty
        ? nil : ClassTokenAttention(batch.classKeys, tokens: batch.tokens, shape: blockShape, in: &plan)
      try plan.fulfil(on: backend)

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
        GatherRows(source: activations.stream, rowNumbers: batch.pooledRows, output: readOut.pooled))
      try backend.layerNorm(
        LayerNorm(
          input: readOut.pooled, scale: outputNorm.scale, shift: outputNorm.shift, epsilon: outputNorm.epsilon,
          output: readOut.pooled))
      try backend.matmul(
        Matmul(
          input: readOut.pooled, weight: projection.weight, output: readOut.embedding,
          epilogue: .init(bias: projection.bias)))
      try backend.normalizeRows(
        NormalizeRows(input: readOut.embedding, output: readOut.embedding, norms: readOut.norms))
      var rows = [Float](repeating: 0, count: prompts.count * embeddingWidth)
      var span = rows.mutableSpan
      try backend.download(readOut.embedding, into: &span)
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

/// The memory in which texts are read from their rows.
private struct TextReadOut<B: Backend> {
  /// `[prompts, width]`.
  @Planned var pooled: Matrix<B.Buffer>
  /// Unit rows `[prompts, embedding]`.
  @Planned var embedding: Matrix<B.Buffer>
  @Planned var norms: Matrix<B.Buffer>

  init(prompts: Int, width: Int, embeddingWidth: Int, in plan: inout WorkspacePlan<B>) {
    _pooled = plan.reserve(rows: prompts, columns: width)
    _embedding = plan.reserve(rows: prompts, columns: embeddingWidth)
    _norms = plan.reserve(rows: prompts, columns: 1)
  }
}
