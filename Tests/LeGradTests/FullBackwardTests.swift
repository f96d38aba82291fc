import Compute
import ComputeCPU
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

/// The backward through whole blocks, against central differences of the forward in float64.
@Suite struct FullBackwardTests {
  private static let grid = Grid(height: 2, width: 2)

  private static func checkpoint(_ activation: Activation) -> RandomCheckpoint {
    RandomCheckpoint(
      configuration: ModelConfiguration(
        embeddingWidth: 8,
        vision: VisionConfiguration(
          layers: 3, width: 12, heads: 3, mlpWidth: 20, patchSize: 4, imageHeight: 8, imageWidth: 8,
          activation: activation),
        text: nil, preprocessing: .openAI), seed: 5)
  }

  /// `text · readOut(class token)` of a tower that is entered at block `first`.
  private static func score(
    _ forward: Float64Forward<CPUBackend>, from first: Int, _ input: DoubleMatrix, text: [Double]
  ) throws -> Double {
    try forward.backend.upload(input.values.span, to: forward.checkpoint(first))
    for number in first..<3 {
      try forward.load(block: number)
      try forward.run(block: number)
    }
    try forward.read()
    let embedding = try read(try #require(forward.readOut.embedding), from: forward.backend).values
    let norm = embedding.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return zip(embedding, text).reduce(0) { $0 + $1.0 * $1.1 } / norm
  }

  private static func read(_ matrix: Matrix<CPUBuffer>, from backend: CPUBackend) throws -> DoubleMatrix {
    try Stage(backend, layout: .tight).readDoubles(matrix)
  }

  @Test(arguments: Activation.allCases)
  func gradientsAtEveryBlocksInput(_ activation: Activation) throws {
    let source = Self.checkpoint(activation)
    let backend = try CPUBackend(threads: 1)
    var plan = WorkspacePlan<CPUBackend>()
    let forward = Float64Forward(source: source, backend: backend, grid: Self.grid, in: &plan)
    try plan.fulfil(on: backend)
    try forward.prepare()
    var random = SeededRandom(seed: 3)
    let pixels = (0..<3 * 64).map { _ in random.normal() }
    let text = try TextEmbeddings(rows: (0..<2 * 8).map { _ in Float(random.normal()) }, width: 8)
    try forward.embed(pixels)
    for number in 0..<3 {
      try forward.load(block: number)
      try forward.run(block: number)
    }
    let inputs = try (0..<3).map { try Self.read(forward.checkpoint($0), from: backend) }

    let gradients = try Self.gradients(source, backend, inputs: inputs, text: text.values)
    for number in 0..<3 {
      for prompt in 0..<2 {
        let direction = text.row(prompt).map(Double.init)
        let step = 1e-4
        var differences: [Double] = []
        for index in inputs[number].values.indices {
          func value(_ steps: Double) throws -> Double {
            var moved = inputs[number]
            moved.values[index] += steps * step
            return try Self.score(forward, from: number, moved, text: direction)
          }
          differences.append(try (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * step))
        }
        let actual = gradients[number][prompt * differences.count..<(prompt + 1) * differences.count]
        let largest = differences.map(abs).max() ?? 0
        let worst = zip(actual, differences).map { abs(Double($0) - $1) }.max() ?? 0
        #expect(largest > 0 && worst <= 2e-5 * largest, "block \(number), prompt \(prompt): \(worst / largest)")
      }
    }
  }

  /// By block, `[prompts · tokens, width]`.
  private static func gradients(
    _ source: RandomCheckpoint, _ backend: CPUBackend, inputs: [DoubleMatrix], text: [Float]
  ) throws -> [[Float]] {
    let tower = try VisionTower(source, on: backend)
    let (tokens, prompts) = (5, text.count / 8)
    var plan = WorkspacePlan<CPUBackend>()
    let activations = BlockActivations(rows: tokens, shape: tower.blockShape, backward: .input, in: &plan)
    let readOut = ReadOut(images: 1, tower: tower, in: &plan)
    let full = FullGradients(rows: prompts * tokens, shape: tower.blockShape, in: &plan)
    try plan.fulfil(on: backend)
    let stack = RowStack(copies: prompts, rows: tokens)
    func place(_ values: [Float], columns: Int) throws -> Matrix<CPUBuffer> {
      try HostMatrix(rows: values.count / columns, columns: columns, values: values).upload(to: backend)
    }
    func input(_ number: Int) throws -> Matrix<CPUBuffer> {
      try place(inputs[number].values.map { Float($0) }, columns: 12)
    }

    // The last block's output, of which the class token is read.
    let last = try input(2)
    try tower.blocks[2].recompute(activations.reading(last), tokens: tokens, on: backend)
    let output = try backend.makeMatrix(rows: tokens, columns: 12)
    try tower.blocks[2].forwardFromHidden(
      hidden: activations.hidden, middle: activations.middle, output: output, on: backend)
    try backend.copy(Copy(output.rows(0..<1), to: readOut.input))
    try readOut.forward(tower)
    let gradient = try backend.makeMatrix(rows: prompts, columns: 12)
    try readOut.backward(
      directions: place(text, columns: 8), factor: 1,
      embeddingGradient: backend.makeMatrix(rows: prompts, columns: 8), gradient: gradient, tower: tower)
    try backend.fill(Fill(full.stream, with: 0))
    try backend.copy(Copy(gradient, to: full.stream.everyRow(tokens)))

    var results: [[Float]] = [[], [], []]
    for number in (0..<3).reversed() {
      let checkpoint = try activations.reading(input(number))
      let block = tower.blocks[number]
      try block.recompute(checkpoint, tokens: tokens, on: backend)
      try tower.group(number..<number + 1).backwardToAttention(checkpoint, stack: stack, gradients: full, on: backend)
      try block.backwardFromAttention(checkpoint, stack: stack, gradients: full, on: backend)
      results[number] = try HostMatrix.download(full.stream, from: backend).values
    }
    return results
  }
}
