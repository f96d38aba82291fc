import Compute
import VisionTransformer

/// LRP and Partial-LRP (methods §3), in float64 on the device from pixels to maps.
///
/// The forward keeps each block's input, tokens × width doubles; on the way back a block's weights come to the device
/// once more, it is computed again, and the relevance of all prompts goes through it, a few prompts together. Beside the
/// relevance of all prompts, prompts × tokens × width, that takes the weights of one block and the maps of one head. Of
/// the last block only the class token's row carries any relevance.
struct LRPMethod<B: Backend>: Sendable {
  typealias Place = Matrix<B.Buffer>

  /// The maps of all prompts; empty where they were not asked for.
  struct Maps: Sendable {
    /// Of LRP, `[prompts, height, width]` pixels.
    var pixels: [Float] = []
    /// Of Partial-LRP, `[prompts, gridHeight, gridWidth]`.
    var patches: [Float] = []
  }

  /// What all images share, and the memory for one.
  private struct Prompts: Sendable {
    /// Unit rows `[prompts, embedding]`.
    let text: Place
    /// 1 on the diagonal.
    let seeds: Place
    let ones: Place
    /// Of all prompts, at a block's output and then at its input; a row each where only the class token's is wanted.
    let relevance: Place
    /// Maps of prompts that go back together.
    let patches, pixels: Place
  }

  private let forward: Float64Forward<B>
  private let rules: LRPRules<B>
  private let prompts: Prompts
  private let wantsPixels, wantsPatches: Bool

  /// Prompts that go back together.
  private static var promptsPerPass: Int { 8 }

  private var backend: B { forward.backend }
  private var last: Int { forward.vision.layers - 1 }

  /// Takes all memory, and brings to the device what all images share.
  init(
    source: any WeightSource, backend: B, grid: Grid, text: [Float], wantsPixels: Bool, wantsPatches: Bool
  ) throws(ModelError) {
    let forward = try Float64Forward(source: source, backend: backend, grid: grid)
    let rows = wantsPixels ? forward.tokens : 1
    self.forward = forward
    self.wantsPixels = wantsPixels
    self.wantsPatches = wantsPatches
    do {
      prompts = try Self.prompts(text.map { Double($0) }, rows: rows, forward)
      rules = try LRPRules(forward, prompts: prompts.seeds.rows, rows: rows)
    } catch { throw .backend(error) }
  }

  private static func prompts(
    _ text: [Double], rows: Int, _ forward: Float64Forward<B>
  ) throws(BackendError) -> Prompts {
    let (backend, vision, width) = (forward.backend, forward.vision, forward.readOut.embedding.columns)
    let count = text.count / width
    let together = min(count, promptsPerPass)
    let memory = Float64Memory(backend: backend)
    let prompts = Prompts(
      text: try memory.make(count, width), seeds: try memory.make(together, together),
      ones: try memory.make(1, vision.heads), relevance: try memory.make(count * rows, vision.width),
      patches: try memory.make(together, forward.tokens),
      pixels: try memory.make(together * rows, vision.patchSize * vision.patchSize))
    try backend.upload(text.span, to: prompts.text)
    try backend.fill(Fill(prompts.seeds, with: 0))
    // The diagonal.
    for prompt in 0..<together {
      try backend.fill(Fill(prompts.seeds.rows(prompt..<prompt + 1).columns(prompt..<prompt + 1), with: 1))
    }
    try backend.fill(Fill(prompts.ones, with: 1))
    return prompts
  }

  /// Explains one image.
  func explain(_ image: [Double]) throws(ModelError) -> Maps {
    do { try forward.embed(image) } catch { throw .backend(error) }
    for number in 0...last { try run(block: number) }
    var maps = Maps()
    do { maps.patches = try throughLastBlock() } catch { throw .backend(error) }
    guard wantsPixels else { return maps }
    for number in (0..<last).reversed() {
      try run(block: number)
      do { try through(forward.block(number)) } catch { throw .backend(error) }
    }
    do { maps.pixels = try throughEmbedding() } catch { throw .backend(error) }
    return maps
  }

  private func run(block number: Int) throws(ModelError) {
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
        maps += try read(map.columns(1..<forward.tokens)).map { Float($0) }
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

  /// Rows of patches back in their places, without the class tokens.
  private func unpatched(_ values: [Double], prompts: Int) -> [Float] {
    let (patch, grid) = (forward.vision.patchSize, forward.grid)
    let width = grid.width * patch
    var image = [Float](repeating: 0, count: prompts * grid.count * patch * patch)
    for (index, value) in values.enumerated() {
      let (token, x, y) = (index / (patch * patch), index % patch, index / patch % patch)
      let (prompt, cell) = (token / forward.tokens, token % forward.tokens - 1)
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
