import Compute
import Synchronization
import VisionTransformer

/// LeGrad on towers with an attention pooler (methods §1.4, §1.5, §11.3, §11.4).
///
/// Each block's output is pooled as if it were the last one. The gradient of a prompt's score at the pooler's attention,
/// clamped at zero and averaged over heads, is the relevance of the tokens. SigLIP's score is the cosine with what the
/// pooler makes of the tokens before the tower's last layer norm; CoCa's is the product with the first query's row,
/// projected, neither normalised nor scaled to a unit: its gradient is the same for every image.
final class PoolerRun<B: Backend>: BatchRun {
  /// Bytes of the workspace.
  let bytes: Int

  private let shape: VisionShape
  private let prompts: Int
  /// Of each request, the blocks that are summed.
  private let requests: [Range<Int>]
  /// All of them.
  private let layers: Range<Int>
  private let tower: VisionTower<B>
  private let pooler: AttentionPooler<B>
  private let activations: VisionActivations<B>
  private let pooled: PoolerActivations<B>
  private let backward: Backward?
  /// The text that `backward` knows.
  private let asked = Mutex<[Float]>([])
  /// Ranges of prompts that are stacked together.
  private let passes: [Range<Int>]

  private struct Backward: Sendable {
    let directions: Matrix<B.Buffer>
    let gradients: PoolerGradients<B>
    let relevance: Matrix<B.Buffer>
  }

  /// Prompts are stacked until their heads' rows are as many as this; more would only cost memory.
  private static var stackedRows: Int { 8192 }

  /// Plans and takes all memory of a run.
  /// - Parameter prompts: 0 for embeddings alone.
  init(
    tower: VisionTower<B>, pooler: AttentionPooler<B>, shape: VisionShape, prompts: Int, requests: [MethodRequest]
  ) throws(BackendError) {
    precondition(requests.allSatisfy { $0.method.isLeGrad }, "a pooler's tower is explained by LeGrad alone")
    self.tower = tower
    self.pooler = pooler
    self.shape = shape
    self.prompts = prompts
    self.requests = requests.map(\.blocks)
    let first = self.requests.map(\.lowerBound).min() ?? 0
    let layers = prompts > 0 ? first..<(self.requests.map(\.upperBound).max() ?? 0) : 0..<0
    self.layers = layers

    var plan = WorkspacePlan()
    let visionSlots = tower.reserve(shape, backward: .none, in: &plan)
    let poolerSlots = PoolerActivations<B>.reserve(shape, pooler: pooler, in: &plan)
    let promptsPerPass = max(1, min(prompts, Self.stackedRows / (shape.images * pooler.heads)))
    let groups = pooler.mlp == nil ? prompts : shape.images * promptsPerPass
    let slots =
      !layers.isEmpty
      ? (
        directions: plan.reserve(rows: prompts, columns: tower.embeddingWidth),
        gradients: PoolerGradients<B>.reserve(
          groups: groups, mapGroups: shape.images * promptsPerPass, tokens: shape.tokens, pooler: pooler, in: &plan),
        relevance: plan.reserve(rows: layers.count * prompts * shape.images, columns: shape.tokens)
      ) : nil
    let workspace = try Workspace(plan, on: tower.backend)
    bytes = workspace.bytes
    activations = try tower.activations(visionSlots, shape: shape, in: workspace)
    pooled = try PoolerActivations(poolerSlots, shape: shape, in: workspace, on: tower.backend)
    backward = slots.map {
      Backward(
        directions: workspace[$0.directions], gradients: PoolerGradients($0.gradients, in: workspace),
        relevance: workspace[$0.relevance])
    }
    passes = stride(from: 0, to: prompts, by: promptsPerPass).map { $0..<min($0 + promptsPerPass, prompts) }
  }

  /// Uploads what every image shares.
  private func ask(_ text: [Float]) throws(BackendError) {
    guard let backward else { return }
    try asked.withLock { asked throws(BackendError) in
      guard asked != text else { return }
      asked = []
      try tower.backend.upload(text.span, to: backward.directions)
      if pooler.mlp == nil {
        try pooler.backward(
          prompts: backward.directions, through: tower.projection, gradients: backward.gradients, on: tower.backend)
      }
      asked = text
    }
  }

  func explain(_ pixels: Span<Float>, text: [Float]) throws(BackendError) -> RunResult {
    try ask(text)
    let (backend, block) = (tower.backend, activations.block)
    try backend.upload(pixels, to: activations.pixels)
    try tower.embed(activations)
    for (index, weights) in tower.blocks.enumerated() {
      try weights.forwardToHidden(block, tokens: shape.tokens, mask: .none, keepDerivative: false, on: backend)
      try weights.forwardFromHidden(hidden: block.hidden, middle: block.middle, output: block.stream, on: backend)
      if layers.contains(index), let backward { try relevance(layer: index - layers.lowerBound, backward) }
    }
    try embed()
    return try collect()
  }

  /// The relevance of the block that ran last.
  private func relevance(layer: Int, _ backward: Backward) throws(BackendError) {
    let backend = tower.backend
    try pooler.load(activations.block.stream, into: pooled, on: backend)
    if let mlp = pooler.mlp {
      try pooler.attend(pooled, on: backend)
      try pooler.readOut(pooled, through: mlp, on: backend)
    }
    for pass in passes {
      let groups = shape.images * pass.count
      let first = firstRow(layer: layer, pass: pass)
      let directions: Matrix<B.Buffer>
      if let mlp = pooler.mlp {
        let gradients = PoolerGradients(backward.gradients, groups: groups, heads: pooler.heads)
        try pooler.backward(
          prompts: backward.directions.rows(pass), pooled, through: mlp, gradients: gradients, on: backend)
        directions = gradients.directions
      } else {
        directions = backward.gradients.directions.rows(
          pass.lowerBound * pooler.heads..<pass.upperBound * pooler.heads)
      }
      try pooler.relevance(
        pooled, directions: directions, scratch: backward.gradients.map.rows(0..<groups * pooler.heads),
        relevance: backward.relevance.rows(first..<first + groups), on: backend)
    }
  }

  /// The model's own embedding, from the last block's output.
  private func embed() throws(BackendError) {
    let backend = tower.backend
    try pooler.load(activations.block.stream, norm: tower.outputNorm, into: pooled, on: backend)
    try pooler.attend(pooled, on: backend)
    if let mlp = pooler.mlp {
      try pooler.readOut(pooled, through: mlp, on: backend)
    } else {
      try pooler.readOut(pooled, through: tower)
    }
  }

  /// Where a pass's rows `[images, pass]` start in the relevance of all layers and prompts.
  private func firstRow(layer: Int, pass: Range<Int>) -> Int {
    (layer * prompts + pass.lowerBound) * shape.images
  }

  /// Downloads what leaves the device: relevance of the patches, and the embeddings.
  private func collect() throws(BackendError) -> RunResult {
    let width = tower.embeddingWidth
    let embeddings = try download(pooled.embedding)
    let rows = try backward.map { backward throws(BackendError) in try download(backward.relevance) } ?? []
    var result = RunResult(
      relevance: [], embeddings: (0..<shape.images).map { Array(embeddings[$0 * width..<($0 + 1) * width]) })
    guard backward != nil else { return result }
    result.relevance = requests.map { blocks in (0..<shape.images).map { relevance(of: blocks, image: $0, in: rows) } }
    return result
  }

  /// `[layers, prompts, height, width]` of one image.
  private func relevance(of blocks: Range<Int>, image: Int, in rows: [Float]) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(blocks.count * prompts * shape.grid.count)
    for block in blocks {
      for pass in passes {
        for prompt in 0..<pass.count {
          let row = firstRow(layer: block - layers.lowerBound, pass: pass) + image * pass.count + prompt
          values += rows[row * shape.tokens + shape.leadingTokens..<(row + 1) * shape.tokens]
        }
      }
    }
    return values
  }

  private func download(_ matrix: Matrix<B.Buffer>) throws(BackendError) -> [Float] {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    var span = values.mutableSpan
    try tower.backend.download(matrix, into: &span)
    return values
  }
}
