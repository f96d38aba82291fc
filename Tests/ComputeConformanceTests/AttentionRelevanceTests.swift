import Compute
import OperationSamples
import TestSupport
import Testing

struct AttentionRelevanceTests {
  struct Case: OperationCase {
    let outputGradient: HostMatrix
    let values: HostMatrix
    let heads: Int
    let stack: RowStack
    let operation = OperationName.attentionRelevance

    init(images: Int, prompts: Int, tokens: Int, heads: Int, headWidth: Int) {
      outputGradient = .random(images * prompts * tokens, heads * headWidth, seed: 120)
      values = .random(images * tokens, heads * headWidth, seed: 121)
      self.heads = heads
      stack = RowStack(copies: prompts, rows: tokens)
    }

    init(outputGradient: HostMatrix, values: HostMatrix, heads: Int, stack: RowStack) {
      self.outputGradient = outputGradient
      self.values = values
      self.heads = heads
      self.stack = stack
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let relevance = try stage.output(rows: pieces, columns: stack.rows)
      try stage.backend.attentionRelevance(
        AttentionRelevance(
          outputGradient: stage.input(outputGradient, "output gradient"), values: stage.input(values, "values"),
          heads: heads, stack: stack, relevance: relevance))
      return [try stage.read(relevance)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.attentionRelevance(
          outputGradient: outputGradient.doubles, values: values.doubles, heads: heads, stack: stack)
      ]
    }

    var pieces: Int { outputGradient.rows / stack.rows }
    func piece(_ index: Int) -> Self {
      Self(
        outputGradient: outputGradient.piece(index, of: pieces),
        values: values.piece(index / stack.copies, of: pieces / stack.copies), heads: heads,
        stack: RowStack(copies: 1, rows: stack.rows))
    }
    var testDescription: String {
      "\(pieces / stack.copies) images, \(stack.copies) prompts, \(stack.rows) tokens, \(heads) heads of "
        + "\(values.columns / heads)"
    }
  }

  static let cases = EdgeSizes.attention.map {
    Case(images: $0.images, prompts: $0.prompts, tokens: $0.tokens, heads: $0.heads, headWidth: $0.headWidth)
  }

  static let longCases = [(1, 1, 197, 1, 64), (1, 2, 257, 1, 12), (1, 1, 281, 1, 8)].map {
    Case(images: $0.0, prompts: $0.1, tokens: $0.2, heads: $0.3, headWidth: $0.4)
  }

  @Test(arguments: TestBackend.available, cases)
  func attentionRelevance(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, longCases)
  func attentionRelevanceOfManyTokens(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  @Test(arguments: TestBackend.available)
  func attentionRelevancePromptsAreIndependent(_ backend: TestBackend) throws {
    let test = Case(images: 3, prompts: 2, tokens: 29, heads: 3, headWidth: 20)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Case(images: 1, prompts: 1, tokens: 131, heads: 5, headWidth: 16)])
  }

  /// Only positive gradients count: all negative give exactly zero, and zeros stay zeros.
  @Test(arguments: TestBackend.available)
  func attentionRelevanceOfNegativeGradients(_ backend: TestBackend) throws {
    let ones = HostMatrix(rows: 37, columns: 14, repeating: 1)
    let zeros = HostMatrix(rows: 37, columns: 14, repeating: 0)
    for gradient in [HostMatrix(rows: 37, columns: 14, repeating: -2), zeros] {
      let test = Case(
        outputGradient: gradient, values: ones, heads: 2, stack: RowStack(copies: 1, rows: 37))
      func run<B: Backend>(_ backend: B) throws -> [Float] {
        try test.run(on: Stage(backend, layout: .padded))[0].values
      }
      #expect(try run(backend.open()).allSatisfy { $0 == 0 })
    }
  }
}
