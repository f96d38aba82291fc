import Compute
import VisionTransformer

/// LeGrad on CLIP towers (methods §1.2, §11): block by block, without a tape, one forward for all prompts.
///
/// Block `l`'s score of prompt `p` is `text_p · readOut(mean token of block l's output)`. Its gradient at the
/// block's own attention map, clamped at zero and averaged over heads and queries, is the relevance of the keys.
final class LeGradRun<B: Backend>: BatchRun {
  let shape: VisionShape
  let prompts: Int
  let layers: Range<Int>
  /// Bytes of the workspace.
  let bytes: Int

  private let tower: VisionTower<B>
  private let activations: VisionActivations<B>
  private let readOut: ReadOut<B>
  private let tail: Tail<B>
  private let backward: Backward<B>?
  /// Ranges of prompts that are stacked together.
  private let passes: [Range<Int>]

  /// Prompts are stacked until their rows are as many as this; more would only cost memory.
  private static var stackedRows: Int { 8192 }

  /// Plans and takes all memory of a run, and uploads what every image of it shares.
  /// - Parameter text: unit rows `[prompts, embedding]`; empty for embeddings alone.
  init(
    tower: VisionTower<B>, shape: VisionShape, text: [Float], layers: Range<Int>
  ) throws(BackendError) {
    let prompts = text.count / tower.embeddingWidth
    self.tower = tower
    self.shape = shape
    self.prompts = prompts
    self.layers = prompts > 0 ? layers : 0..<0

    var plan = WorkspacePlan()
    let visionSlots = tower.reserve(shape, backward: prompts > 0, in: &plan)
    let readOutSlots = ReadOut<B>.reserve(images: shape.images, tower: tower, in: &plan)
    let tailSlots = Tail<B>.reserve(images: shape.images, tower: tower, in: &plan)
    let promptsPerPass = max(1, min(prompts, Self.stackedRows / shape.rows))
    let backwardSlots =
      prompts > 0
      ? Backward<B>.reserve(
        shape: shape, prompts: prompts, promptsPerPass: promptsPerPass, layers: layers.count, tower: tower, in: &plan)
      : nil
    let workspace = try Workspace(plan, on: tower.backend)
    bytes = workspace.bytes
    activations = try tower.activations(visionSlots, shape: shape, in: workspace)
    readOut = ReadOut(readOutSlots, in: workspace)
    tail = Tail(tailSlots, images: shape.images, in: workspace)
    backward = backwardSlots.map { Backward($0, in: workspace) }
    passes = stride(from: 0, to: prompts, by: promptsPerPass).map { $0..<min($0 + promptsPerPass, prompts) }
    if let backward { try tower.backend.upload(text.span, to: backward.directions) }
  }

  /// Explains `shape.images` images.
  /// - Parameter pixels: normalised and planar, `[images, 3, height, width]`.
  func explain(_ pixels: Span<Float>) throws(BackendError) -> BatchRelevance {
    let backend = tower.backend
    let block = activations.block
    try backend.upload(pixels, to: activations.pixels)
    try tower.embed(activations)
    for (index, weights) in tower.blocks.enumerated() {
      let isUsed = layers.contains(index)
      let isLast = index == tower.blocks.count - 1
      try weights.forwardToHidden(
        block, tokens: shape.tokens, mask: .none, keepDerivative: isUsed, on: backend)
      if isLast {
        try tail.run(weights, block, tokens: shape.tokens, meanToken: isUsed, on: backend)
      } else {
        try weights.forwardFromHidden(hidden: block.hidden, middle: block.middle, output: block.stream, on: backend)
      }
      if isUsed, let backward {
        if isLast {
          try backend.copy(Copy(tail.meanToken, to: readOut.input))
        } else {
          try backend.meanRows(MeanRows(input: block.stream, rowsPerGroup: shape.tokens, output: readOut.input))
        }
        try readOut.forward(tower)
        try relevance(of: weights, layer: index - layers.lowerBound, backward)
      }
    }
    try readEmbedding()
    return try collect()
  }

  /// The model's own embedding, from the last block's output.
  private func readEmbedding() throws(BackendError) {
    let block = activations.block
    if tower.configuration.pooling == .classToken {
      try tower.backend.copy(Copy(tail.classToken, to: readOut.input))
      return try readOut.forward(tower)
    }
    if let last = tower.blocks.last {
      try last.forwardFromHidden(
        hidden: block.hidden, middle: block.middle, output: block.stream, on: tower.backend)
    }
    try readOut.forward(pooling: block.stream, scratch: block.normalized, shape: shape, tower: tower)
  }

  /// The relevance of one block for all prompts, a stack of them at a time.
  private func relevance(
    of weights: TransformerBlock<B>, layer: Int, _ backward: Backward<B>
  ) throws(BackendError) {
    for pass in passes {
      let stack = PromptStack(prompts: pass.count, tokens: shape.tokens)
      let groups = shape.images * pass.count
      let gradients = LocalGradients<B>(backward.gradients, images: shape.images, stack: stack)
      try readOut.backward(
        directions: backward.directions.rows(pass), factor: 1 / Float(shape.tokens),
        embeddingGradient: backward.embeddingGradient.rows(0..<groups), gradient: gradients.token, tower: tower)
      try weights.localBackward(activations.block, stack: stack, gradients: gradients, on: tower.backend)
      let first = firstRow(layer: layer, pass: pass)
      try tower.backend.attentionRelevance(
        AttentionRelevance(
          outputGradient: gradients.attentionOutput, values: activations.block.values,
          heads: weights.shape.heads, stack: stack, relevance: backward.relevance.rows(first..<first + groups)))
    }
  }

  /// Where a pass's rows `[images, pass]` start in the relevance of all layers and prompts.
  private func firstRow(layer: Int, pass: Range<Int>) -> Int {
    (layer * prompts + pass.lowerBound) * shape.images
  }

  /// Downloads what leaves the device: relevance without the class token's column, and the embeddings.
  private func collect() throws(BackendError) -> BatchRelevance {
    let backend = tower.backend
    var embeddings = [Float](repeating: 0, count: shape.images * tower.embeddingWidth)
    var embeddingSpan = embeddings.mutableSpan
    try backend.download(readOut.embedding, into: &embeddingSpan)
    guard let backward else {
      return BatchRelevance(
        layers: 0, prompts: 0, grid: shape.grid, values: [[Float]](repeating: [], count: shape.images),
        embeddings: split(embeddings))
    }
    var rows = [Float](repeating: 0, count: layers.count * prompts * shape.images * shape.tokens)
    var span = rows.mutableSpan
    try backend.download(backward.relevance, into: &span)
    var values = [[Float]](repeating: [], count: shape.images)
    for image in values.indices {
      values[image].reserveCapacity(layers.count * prompts * shape.grid.count)
      for layer in 0..<layers.count {
        for pass in passes {
          for prompt in 0..<pass.count {
            let row = firstRow(layer: layer, pass: pass) + image * pass.count + prompt
            values[image] += rows[row * shape.tokens + 1..<(row + 1) * shape.tokens]
          }
        }
      }
    }
    return BatchRelevance(
      layers: layers.count, prompts: prompts, grid: shape.grid, values: values, embeddings: split(embeddings))
  }

  private func split(_ embeddings: [Float]) -> [[Float]] {
    (0..<shape.images).map { Array(embeddings[$0 * tower.embeddingWidth..<($0 + 1) * tower.embeddingWidth]) }
  }
}

/// All memory for explaining batches of one shape.
protocol BatchRun: AnyObject, Sendable {
  /// Explains a batch.
  /// - Parameter pixels: normalised and planar, `[images, 3, height, width]`.
  func explain(_ pixels: Span<Float>) throws(BackendError) -> BatchRelevance
}

/// What one run gives for each image of a batch.
struct BatchRelevance: Sendable {
  let layers: Int
  let prompts: Int
  let grid: Grid
  /// Per image `[layers, prompts, gridHeight, gridWidth]`.
  let values: [[Float]]
  /// Per image the unit image embedding.
  let embeddings: [[Float]]
}

/// The last block's second MLP product, for the two rows of each image that are read from it.
private struct Tail<B: Backend>: Sendable {
  let hidden: Matrix<B.Buffer>
  let middle: Matrix<B.Buffer>
  let output: Matrix<B.Buffer>
  let images: Int

  struct Slots { let hidden, middle, output: WorkspacePlan.Slot }

  static func reserve(images: Int, tower: VisionTower<B>, in plan: inout WorkspacePlan) -> Slots {
    Slots(
      hidden: plan.reserve(rows: 2 * images, columns: tower.blockShape.mlpWidth),
      middle: plan.reserve(rows: 2 * images, columns: tower.blockShape.width),
      output: plan.reserve(rows: 2 * images, columns: tower.blockShape.width))
  }

  init(_ slots: Slots, images: Int, in workspace: Workspace<B>) {
    hidden = workspace[slots.hidden]
    middle = workspace[slots.middle]
    output = workspace[slots.output]
    self.images = images
  }

  var classToken: Matrix<B.Buffer> { output.rows(0..<images) }
  var meanToken: Matrix<B.Buffer> { output.rows(images..<2 * images) }

  /// The MLP is linear behind its activation, so the mean token's output is the product of the mean activation.
  func run(
    _ weights: TransformerBlock<B>, _ block: BlockActivations<B>, tokens: Int, meanToken: Bool, on backend: B
  ) throws(BackendError) {
    for (source, rows) in [(block.hidden, hidden), (block.middle, middle)] {
      try backend.copy(Copy(source.everyRow(tokens), to: rows.rows(0..<images)))
      if meanToken {
        try backend.meanRows(
          MeanRows(input: source, rowsPerGroup: tokens, output: rows.rows(images..<2 * images)))
      }
    }
    let rows = 0..<(meanToken ? 2 * images : images)
    try weights.forwardFromHidden(
      hidden: hidden.rows(rows), middle: middle.rows(rows), output: output.rows(rows), on: backend)
  }
}

/// The memory of the backward for the prompts of one pass, and the relevance of all.
private struct Backward<B: Backend>: Sendable {
  let directions: Matrix<B.Buffer>
  let embeddingGradient: Matrix<B.Buffer>
  let gradients: LocalGradients<B>
  let relevance: Matrix<B.Buffer>

  struct Slots {
    let directions, embeddingGradient, relevance: WorkspacePlan.Slot
    let gradients: LocalGradients<B>.Slots
  }

  static func reserve(
    shape: VisionShape, prompts: Int, promptsPerPass: Int, layers: Int, tower: VisionTower<B>,
    in plan: inout WorkspacePlan
  ) -> Slots {
    Slots(
      directions: plan.reserve(rows: prompts, columns: tower.embeddingWidth),
      embeddingGradient: plan.reserve(rows: shape.images * promptsPerPass, columns: tower.embeddingWidth),
      relevance: plan.reserve(rows: layers * prompts * shape.images, columns: shape.tokens),
      gradients: LocalGradients<B>.reserve(
        images: shape.images, stack: PromptStack(prompts: promptsPerPass, tokens: shape.tokens),
        shape: tower.blockShape, in: &plan))
  }

  init(_ slots: Slots, in workspace: Workspace<B>) {
    directions = workspace[slots.directions]
    embeddingGradient = workspace[slots.embeddingGradient]
    gradients = LocalGradients(slots.gradients, in: workspace)
    relevance = workspace[slots.relevance]
  }
}
