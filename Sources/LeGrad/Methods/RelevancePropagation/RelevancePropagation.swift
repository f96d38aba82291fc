import Compute
import Synchronization
import VisionTransformer

/// LRP and Partial-LRP (methods §3), in float64 on the device from pixels to maps.
///
/// The forward keeps each block's input, tokens × width doubles; on the way back a block's weights come to the device
/// once more, it is computed again, and the relevance of all prompts goes through it, a few prompts together. Beside
/// the relevance of all prompts, prompts × tokens × width, that takes the weights of one block and the maps of one
/// head. Of the last block only the class token's row carries any relevance.
///
/// The memory is one image's, and is kept from batch to batch with what images do not change.
final class RelevancePropagation<B: Backend>: Sendable {
  typealias Place = Matrix<B.Buffer>

  /// The maps of all prompts; empty where they were not asked for.
  struct Maps: Sendable {
    /// Of LRP, `[prompts, height, width]` pixels.
    var pixels: [Float] = []
    /// Of Partial-LRP, `[prompts, gridHeight, gridWidth]`.
    var patches: [Float] = []
  }

  private let forward: Float64Forward<B>
  private let rules: LRPRules<B>
  private let prompts: LRPPrompts<B>
  private let wantsPixels, wantsPatches: Bool
  private let explained = Mutex<[Maps]>([])

  /// Prompts that go back together.
  private static var promptsPerPass: Int { 8 }

  private var backend: B { forward.backend }
  private var last: Int { forward.vision.layers - 1 }

  /// Plans the memory for one image and the prompts of the run.
  init(_ run: inout RunPlan<B>) {
    wantsPixels = run.requests.contains { $0.method == .lrp }
    wantsPatches = run.requests.contains { $0.method == .partialLRP }
    let sizes = run.sizes
    forward = Float64Forward(
      source: run.source, backend: sizes.tower.backend, grid: sizes.shape.grid, in: &run.memory)
    let rows = wantsPixels ? forward.tokens : 1
    let together = min(sizes.prompts, Self.promptsPerPass)
    prompts = LRPPrompts(forward, count: sizes.prompts, together: together, rows: rows, in: &run.memory)
    rules = LRPRules(forward, prompts: together, rows: rows, in: &run.memory)
  }

  /// Brings to the device what images and prompts do not change.
  func prepare() throws(ModelError) {
    try forward.prepare()
    do { try prompts.prepare(on: backend) } catch { throw .backend(error) }
  }

  func ask(_ text: ArraySlice<Float>) throws(BackendError) {
    let rows = text.map { Double($0) }
    try backend.upload(rows.span, to: prompts.text)
  }

  /// Of the images that were explained last.
  var maps: [Maps] { explained.withLock { $0 } }

  /// - Parameter checkCancellation: called before each block.
  func explain(
    _ images: ArraySlice<PreparedImage>, checkCancellation: () throws(BackendError) -> Void
  ) throws(ModelError) {
    var maps: [Maps] = []
    for image in images { maps.append(try explain(image.float64Pixels, checkCancellation)) }
    explained.withLock { $0 = maps }
  }

  private func explain(
    _ pixels: [Double], _ checkCancellation: () throws(BackendError) -> Void
  ) throws(ModelError) -> Maps {
    do { try forward.embed(pixels) } catch { throw .backend(error) }
    for number in 0...last { try run(block: number, checkCancellation) }
    var maps = Maps()
    do { maps.patches = try throughLastBlock() } catch { throw .backend(error) }
    guard wantsPixels else { return maps }
    for number in (0..<last).reversed() {
      try run(block: number, checkCancellation)
      do { try through(forward.block(number)) } catch { throw .backend(error) }
    }
    do { maps.pixels = try throughEmbedding() } catch { throw .backend(error) }
    return maps
  }

  private func run(block number: Int, _ checkCancellation: () throws(BackendError) -> Void) throws(ModelError) {
    do { try checkCancellation() } catch { throw .backend(error) }
    try forward.load(block: number)
    do { try forward.run(block: number) } catch { throw .backend(error) }
  }

  /// Prompts that go back together, and the rows of their relevance.
  private var passes: [(numbers: Range<Int>, relevance: Place)] {
    let count = prompts.text.rows
    let rows = prompts.relevance.rows / count
    return stride(from: 0, to: count, by: Self.promptsPerPass).map { first in
      let numbers = first..<min(first + Self.promptsPerPass, count)
      return (numbers, prompts.relevance.rows(numbers.lowerBound * rows..<numbers.upperBound * rows))
    }
  }

  /// From the prompts to the last block's input, and to its maps, which are returned.
  private func throughLastBlock() throws(BackendError) -> [Float] {
    let block = forward.block(last)
    var maps: [Float] = []
    try forward.read()
    for (numbers, relevance) in passes {
      let rows = 0..<relevance.rows
      let rowsPerPrompt = rows.count / numbers.count
      let (residual, attention) = (rules.residual.rows(rows), rules.attention.rows(rows))
      let classToken = relevance.rows(0..<numbers.count)
      let seeds = prompts.seeds.rows(0..<numbers.count).columns(0..<numbers.count)
      try rules.throughReadOut(seeds: seeds, text: prompts.text.rows(numbers), to: classToken)
      try backend.fill(Fill(residual, with: 0))
      try backend.fill(Fill(attention, with: 0))
      try rules.throughMLP(
        block.rows(0..<1), classToken, residual: residual.everyRow(rowsPerPrompt),
        attention: attention.everyRow(rowsPerPrompt))
      if wantsPatches {
        let map = prompts.patches.rows(0..<numbers.count)
        try rules.classTokenMap(block, attention.everyRow(rowsPerPrompt), ones: prompts.ones, to: map)
        maps += try read(map.columns(forward.vision.leadingTokens..<forward.tokens)).map { Float($0) }
      }
      if wantsPixels { try rules.throughAttention(block, prompts: numbers.count, to: relevance) }
    }
    return maps
  }

  private func through(_ block: Float64Forward<B>.Block) throws(BackendError) {
    for (numbers, relevance) in passes {
      let rows = 0..<relevance.rows
      try rules.throughMLP(
        block, relevance, residual: rules.residual.rows(rows), attention: rules.attention.rows(rows))
      try rules.throughAttention(block, prompts: numbers.count, to: relevance)
    }
  }

  /// From the first block's input to pixels.
  private func throughEmbedding() throws(BackendError) -> [Float] {
    var maps: [Float] = []
    for (numbers, relevance) in passes {
      let output = prompts.pixels.rows(0..<relevance.rows)
      try rules.throughEmbedding(relevance, to: output)
      maps += unpatched(try read(output), prompts: numbers.count)
    }
    return maps
  }

  /// Rows of patches back in their places, without the leading tokens.
  private func unpatched(_ values: [Double], prompts: Int) -> [Float] {
    let (patch, grid) = (forward.vision.patchSize, forward.grid)
    let width = grid.width * patch
    var image = [Float](repeating: 0, count: prompts * grid.count * patch * patch)
    for (index, value) in values.enumerated() {
      let (token, x, y) = (index / (patch * patch), index % patch, index / patch % patch)
      let (prompt, cell) = (token / forward.tokens, token % forward.tokens - forward.vision.leadingTokens)
      guard cell >= 0 else { continue }
      let row = (prompt * grid.height + cell / grid.width) * patch + y
      image[row * width + cell % grid.width * patch + x] = Float(value)
    }
    return image
  }

  private func read(_ place: Place) throws(BackendError) -> [Double] {
    var values = [Double](repeating: 0, count: place.rows * place.columns)
    var span = values.mutableSpan
    try backend.download(place, into: &span)
    return values
  }
}

extension VisionConfiguration {
  /// What relevance propagation has no rule for (methods §3.1).
  var withoutRelevanceRule: [String] {
    otherThanClassToken + (mlp == .gated ? ["gated MLPs"] : []) + (rotary == nil ? [] : ["rotary positions"])
  }
}

/// What relevance propagation keeps of the prompts of a run.
private struct LRPPrompts<B: Backend>: Sendable {
  /// Unit rows `[prompts, embedding]`.
  @Planned var text: Matrix<B.Buffer>
  /// 1 on the diagonal.
  @Planned var seeds: Matrix<B.Buffer>
  @Planned var ones: Matrix<B.Buffer>
  /// Of all prompts, at a block's output and then at its input; a row each where only the class token's is wanted.
  @Planned var relevance: Matrix<B.Buffer>
  /// Maps of prompts that go back together.
  @Planned var patches: Matrix<B.Buffer>
  @Planned var pixels: Matrix<B.Buffer>

  /// - Parameters:
  ///   - together: prompts that go back together.
  ///   - rows: of a prompt's relevance.
  init(
    _ forward: Float64Forward<B>, count: Int, together: Int, rows: Int, in plan: inout WorkspacePlan<B>
  ) {
    let vision = forward.vision
    _text = plan.doubles(count, forward.configuration.embeddingWidth)
    _seeds = plan.doubles(together, together)
    _ones = plan.doubles(1, vision.heads)
    _relevance = plan.doubles(count * rows, vision.width)
    _patches = plan.doubles(together, forward.tokens)
    _pixels = plan.doubles(together * rows, vision.patchSize * vision.patchSize)
  }

  func prepare(on backend: B) throws(BackendError) {
    try backend.fill(Fill(seeds, with: 0))
    for prompt in 0..<seeds.rows {
      try backend.fill(Fill(seeds.rows(prompt..<prompt + 1).columns(prompt..<prompt + 1), with: 1))
    }
    try backend.fill(Fill(ones, with: 1))
  }
}
