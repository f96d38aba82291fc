import Compute
import VisionTransformer

extension Method {
  /// Every block's attention times its gradient, multiplied through all blocks (methods §2.4).
  public static let cheferCAMAll = Method(CheferCAMAllDescription())
}

struct CheferCAMAllDescription: MethodDescription {
  let name = "chefercam-all"

  func blocks(of layers: Int) -> Range<Int> { 0..<layers }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * tower.fullBackward + Double(prompts) * tower.headBackward
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { CheferCAMAllMethod($0, &run) }
  }
}

/// CheferCAM through all blocks (methods §2.4): the class token's row of `Π (I + Ā_l)`, `Ā_l` the mean over heads of
/// the positive part of map times gradient of the logit; with a pooler, its own such row in place of the class token's
/// (methods §2.6). The backward brings the gradients in the order in which the row is carried, so that nothing is kept
/// of a block but its input.
struct CheferCAMAllMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let heads: Int
  private let start: any QueryBackward<B>
  private let gradients: FullGradients<B>
  @Planned private var row: Matrix<B.Buffer>
  /// `[prompts · images, tokens]`.
  @Planned private var relevance: Matrix<B.Buffer>

  init(_ query: any QueryHead<B>, _ run: inout RunPlan<B>) {
    let (sizes, tokens) = (run.sizes, run.sizes.shape.tokens)
    self.sizes = sizes
    heads = query.heads
    start = query.planBackward(sizes, in: &run.memory)
    gradients = FullGradients(
      rows: sizes.groupsPerPass * tokens, shape: sizes.tower.blockShape, in: &run.memory)
    _row = run.memory.reserve(rows: sizes.groupsPerPass, columns: tokens)
    _relevance = run.memory.reserve(rows: sizes.prompts * sizes.shape.images, columns: tokens)
  }

  var reach: BackwardReach { .input }
  var firstCheckpoint: Int? { 0 }

  func retrace(_ forward: SharedForward<B>) throws(BackendError) {
    for pass in sizes.passes { try retrace(pass, forward) }
  }

  private func retrace(_ pass: Range<Int>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, tokens, scale) = (forward.backend, forward.shape.tokens, forward.tower.logitScale)
    let stack = RowStack(copies: pass.count, rows: tokens)
    let groups = forward.shape.images * pass.count
    let gradients = self.gradients.part(rows: groups * tokens)
    let carried = relevance.rows(sizes.rows(pass: pass))
    let row = self.row.rows(0..<groups)
    try start.begin(pass, row: carried, gradients, forward, factor: scale) {
      map, gradient throws(BackendError) in
      try backend.keyRelevance(
        KeyRelevance(
          .positiveProduct, map: map, gradient: gradient, heads: heads, factor: scale / Float(heads),
          relevance: carried))
    }
    for block in (0...sizes.lastBlock).reversed() {
      try forward.checkCancellation()
      let weights = forward.tower.blocks[block]
      let input = forward.reading(block)
      try weights.recompute(input, tokens: tokens, on: backend)
      if block == sizes.lastBlock {
        try start.backwardToAttention(input, pass, gradients, forward, factor: scale)
      } else {
        try forward.tower.group(block..<block + 1).backwardToAttention(
          input, stack: stack, gradients: gradients, on: backend)
      }
      try backend.copy(Copy(carried, to: row))
      try backend.rowThroughMap(
        RowThroughMap(
          row: row, queries: input.queries, keys: input.keys,
          gradient: .init(output: gradients.attentionOutput, values: input.values), heads: sizes.heads,
          stack: stack, factor: 1, output: carried))
      if block > 0 {
        try weights.backwardFromAttention(input, stack: stack, gradients: gradients, on: backend)
      }
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] { try sizes.collect(relevance) }
}
