import Compute
import ImageFiles
import NpyFiles
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

/// Where relevance goes on its way back through a model (methods §3.1), by sums alone: a linear rule gives all of it to
/// the positive parts and all of it again to the negative ones, every other rule gives what it got. Biases, LayerScale,
/// registers, heads and norms, missing ones too, change nothing of that.
@Suite struct RelevanceConservationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let folder: String
    let backend: GoldenBackend

    var testDescription: String { "\(folder) \(backend.testDescription)" }
  }

  static let folders = [
    "families/vit", "families/vit-nobias", "families/deit", "families/timm-vit", "families/timm-deit3",
    "families/timm-vit-reg4", "families/timm-qknorm", "families/timm-innernorm", "families/timm-nonorm",
    "families/dinov2-encoder", "families/mobileclip2-l", "clip",
  ]
  static let cases = folders.flatMap { folder in
    GoldenBackend.devices.map { Case(folder: folder, backend: $0) }
  }

  private static let prompts = 2

  @Test(arguments: cases) func everyRuleGivesWhatItGot(_ test: Case) throws {
    let checkpoint = try Checkpoint(folder: Fixtures.path(test.folder + "/model"))
    try Self.check(checkpoint, on: test.backend.open())
  }

  private static func check<B: Backend>(_ source: Checkpoint, on backend: B) throws {
    let vision = source.configuration.vision
    let grid = Grid(height: vision.gridHeight, width: vision.gridWidth + 1)
    var plan = WorkspacePlan<B>()
    let forward = Float64Forward(source: source, backend: backend, grid: grid, in: &plan)
    let (tokens, width) = (forward.tokens, vision.width)
    let rules = LRPRules(forward, prompts: prompts, rows: tokens, in: &plan)
    let seeds = plan.doubles(prompts, prompts)
    let text = plan.doubles(prompts, source.configuration.embeddingWidth)
    let classTokens = plan.doubles(prompts, width)
    let relevance = plan.doubles(prompts * tokens, width)
    let pixels = plan.doubles(prompts * tokens, vision.patchSize * vision.patchSize)
    try plan.fulfil(on: backend)
    try forward.prepare()
    var random = SeededRandom(seed: 17)
    func numbers(_ count: Int) -> [Double] { (0..<count).map { _ in random.normal() } }
    func upload(_ values: [Double], to place: Matrix<B.Buffer>) throws { try backend.upload(values.span, to: place) }
    func read(_ place: Matrix<B.Buffer>) throws -> DoubleMatrix {
      try Stage(backend, layout: .tight).readDoubles(place)
    }
    /// By prompt.
    func sums(_ place: Matrix<B.Buffer>) throws -> [Double] {
      let values = try read(place).values
      let count = values.count / prompts
      return (0..<prompts).map { values[$0 * count..<($0 + 1) * count].reduce(0, +) }
    }
    func magnitude(_ place: Matrix<B.Buffer>) throws -> Double { try read(place).values.reduce(0) { $0 + abs($1) } }
    // The rules add 1e-9 to their denominators, of which some are almost zero.
    func expectSums(_ found: [Double], _ expected: [Double], of magnitude: Double, _ rule: String) {
      for (one, other) in zip(found, expected) {
        #expect(abs(one - other) <= 1e-3 * magnitude, "\(rule): \(found), expected \(expected) of \(magnitude)")
      }
    }

    try forward.embed(numbers(3 * grid.count * vision.patchSize * vision.patchSize))
    for number in 0..<vision.layers {
      try forward.load(block: number)
      try forward.run(block: number)
    }
    try forward.read()

    // From the seeds, two linear layers where there is a projection, else one.
    try upload([1, 0, 0, 1], to: seeds.wrappedValue)
    try upload(numbers(prompts * source.configuration.embeddingWidth), to: text.wrappedValue)
    try rules.throughReadOut(seeds: seeds.wrappedValue, text: text.wrappedValue, to: classTokens.wrappedValue)
    let atHead = vision.hasProjection ? 4.0 : 2.0
    try expectSums(
      try sums(classTokens.wrappedValue), [atHead, atHead], of: magnitude(classTokens.wrappedValue), "read-out")

    // Relevance of every token, so that no row goes unseen.
    try upload(numbers(prompts * tokens * width), to: relevance.wrappedValue)
    for number in (0..<vision.layers).reversed() {
      try forward.load(block: number)
      try forward.run(block: number)
      let block = forward.block(number)
      let (output, middle, mlp) = (
        try read(block.output).values, try read(block.middle).values, try read(block.mlp).values
      )
      let given = try read(relevance.wrappedValue).values
      // What the residual passes, and four times what the MLP does, whose two products are linear.
      var expected = [Double](repeating: 0, count: prompts)
      for (index, value) in given.enumerated() {
        let place = index % (tokens * width)
        expected[index / (tokens * width)] += value * (middle[place] + 4 * mlp[place]) / output[place]
      }
      try rules.throughMLP(block, relevance.wrappedValue, residual: rules.residual, attention: rules.attention)
      let (residual, attention) = (try sums(rules.residual), try sums(rules.attention))
      let scale = try magnitude(rules.residual) + magnitude(rules.attention)
      expectSums(zip(residual, attention).map { $0 + $1 / 2 }, expected, of: scale, "MLP of block \(number)")
      try rules.throughAttention(block, prompts: prompts, to: relevance.wrappedValue)
      try expectSums(
        try sums(relevance.wrappedValue), zip(residual, attention).map { $0 + 2 * $1 },
        of: scale + magnitude(relevance.wrappedValue), "attention of block \(number)")
    }

    // Leading tokens are dropped, positions take their share, and the patches' is the pixels'.
    let (own, sum) = (try read(forward.embedding.tokens).values, try read(forward.embedding.sum).values)
    var expected = [Double](repeating: 0, count: prompts)
    for (index, value) in try read(relevance.wrappedValue).values.enumerated() {
      let place = index % (tokens * width)
      guard place >= vision.leadingTokens * width else { continue }
      expected[index / (tokens * width)] += value * own[place] / sum[place]
    }
    try rules.throughEmbedding(relevance.wrappedValue, to: pixels.wrappedValue)
    try expectSums(try sums(pixels.wrappedValue), expected, of: magnitude(pixels.wrappedValue), "patches")
  }
}
