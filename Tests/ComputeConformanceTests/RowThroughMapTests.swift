import Compute
import OperationSamples
import TestSupport
import Testing

struct RowThroughMapTests {
  struct Case: OperationCase {
    let row: HostMatrix
    let queries: HostMatrix
    let keys: HostMatrix
    let gradient: HostMatrix?
    let values: HostMatrix?
    let heads: Int
    let stack: RowStack
    let factor: Float = 0.5
    let operation = OperationName.rowThroughMap

    init(images: Int, prompts: Int, tokens: Int, heads: Int, headWidth: Int, hasGradient: Bool) {
      let width = heads * headWidth
      // Weights on tokens, as a row of a product of maps has them.
      row = HostMatrix.random(images * prompts, tokens, seed: 320).doubles.map { abs($0) }.floats
      queries = .random(images * tokens, width, seed: 321)
      keys = .random(images * tokens, width, seed: 322)
      gradient = hasGradient ? .random(images * prompts * tokens, width, seed: 323) : nil
      values = hasGradient ? .random(images * tokens, width, seed: 324) : nil
      self.heads = heads
      stack = RowStack(copies: prompts, rows: tokens)
    }

    private init(_ whole: Self, piece: Int) {
      let image = piece / whole.stack.copies
      let images = whole.pieces / whole.stack.copies
      row = whole.row.piece(piece, of: whole.pieces)
      queries = whole.queries.piece(image, of: images)
      keys = whole.keys.piece(image, of: images)
      gradient = whole.gradient?.piece(piece, of: whole.pieces)
      values = whole.values?.piece(image, of: images)
      heads = whole.heads
      stack = RowStack(copies: 1, rows: whole.stack.rows)
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let output = try stage.output(rows: row.rows, columns: row.columns)
      var through: RowThroughMap<B.Buffer>.Gradient?
      if let gradient, let values {
        through = try .init(output: stage.input(gradient, "gradient"), values: stage.input(values, "values"))
      }
      try stage.backend.rowThroughMap(
        RowThroughMap(
          row: stage.input(row, "row"), queries: stage.input(queries, "queries"), keys: stage.input(keys, "keys"),
          gradient: through, heads: heads, stack: stack, factor: factor, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] {
      let maps = Oracle.attentionMaps(
        queries: queries.doubles, keys: keys.doubles, heads: heads, tokens: stack.rows)
      var gradients: [DoubleMatrix]?
      if let gradient, let values {
        gradients = Oracle.attentionMapGradients(
          outputGradient: gradient.doubles, values: values.doubles, heads: heads, stack: stack)
      }
      return [
        Oracle.rowThroughMap(
          row: row.doubles, maps: maps, gradients: gradients, heads: heads, prompts: stack.copies,
          factor: Double(factor))
      ]
    }

    var pieces: Int { row.rows }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(row.rows) rows, \(stack), \(heads) heads of \(queries.columns / heads)\(gradient == nil ? "" : ", gradient")"
    }
  }

  static let cases = [false, true].flatMap { hasGradient in
    EdgeSizes.attention.map {
      Case(
        images: $0.images, prompts: $0.prompts, tokens: $0.tokens, heads: $0.heads, headWidth: $0.headWidth,
        hasGradient: hasGradient)
    }
  }

  @Test(arguments: TestBackend.available, cases)
  func rowThroughMap(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, [false, true])
  func rowThroughMapOfManyTokens(_ backend: TestBackend, hasGradient: Bool) throws {
    let test = Case(images: 1, prompts: 1, tokens: 197, heads: 2, headWidth: 64, hasGradient: hasGradient)
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  @Test(arguments: TestBackend.available, [false, true])
  func rowThroughMapRowsAreIndependent(_ backend: TestBackend, hasGradient: Bool) throws {
    let test = Case(images: 3, prompts: 2, tokens: 37, heads: 3, headWidth: 20, hasGradient: hasGradient)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
