import Compute
import OperationSamples
import TestSupport
import Testing

/// Single rows of attention maps, and what is read from them.
struct AttentionRowTests {
  struct Scores: OperationCase {
    let rows: HostMatrix
    let tokens: HostMatrix
    let heads: Int
    let stack: RowStack
    let factor: Float = 0.7
    let operation = OperationName.keyScores

    init(images: Int, prompts: Int, tokens: Int, heads: Int, headWidth: Int, isShared: Bool = false) {
      rows = .random(isShared ? prompts : images * prompts, heads * headWidth, seed: 300)
      self.tokens = .random(images * tokens, heads * headWidth, seed: 301)
      self.heads = heads
      stack = RowStack(copies: prompts, rows: tokens)
    }

    private init(rows: HostMatrix, tokens: HostMatrix, heads: Int, stack: RowStack) {
      self.rows = rows
      self.tokens = tokens
      self.heads = heads
      self.stack = stack
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let scores = try stage.output(rows: pieces * heads, columns: stack.rows)
      try stage.backend.keyScores(
        KeyScores(
          rows: stage.input(rows, "rows"), tokens: stage.input(tokens, "tokens"), heads: heads, factor: factor,
          stack: stack, scores: scores))
      return [try stage.read(scores)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.keyScores(
          rows: rows.doubles, tokens: tokens.doubles, heads: heads, factor: Double(factor), stack: stack)
      ]
    }

    var pieces: Int { tokens.rows / stack.rows * stack.copies }
    func piece(_ index: Int) -> Self {
      Self(
        rows: rows.rows(index % rows.rows..<index % rows.rows + 1),
        tokens: tokens.piece(index / stack.copies, of: pieces / stack.copies), heads: heads,
        stack: RowStack(copies: 1, rows: stack.rows))
    }
    var testDescription: String {
      "\(rows.rows) rows, \(stack), \(heads) heads of \(tokens.columns / heads)"
    }
  }

  struct Relevance: OperationCase {
    let reading: HeadReading
    let map: HostMatrix?
    let gradient: HostMatrix?
    let rows: Int
    let heads: Int
    let leadingKeys: Int
    let factor: Float = 1.3
    let operation = OperationName.keyRelevance

    init(_ reading: HeadReading, images: Int, prompts: Int, tokens: Int, heads: Int, leadingKeys: Int = 1) {
      self.reading = reading
      let prompts = reading.readsGradient ? prompts : 1
      map =
        reading.readsMap
        ? Oracle.softmax(HostMatrix.random(images * heads, tokens, seed: 310).doubles).floats : nil
      gradient = reading.readsGradient ? .random(images * prompts * heads, tokens, seed: 311, mean: 0.2) : nil
      rows = images * prompts
      self.heads = heads
      self.leadingKeys = leadingKeys
    }

    private init(_ whole: Self, piece: Int) {
      reading = whole.reading
      heads = whole.heads
      leadingKeys = whole.leadingKeys
      rows = 1
      map = whole.map.map { map in
        let images = map.rows / whole.heads
        return map.piece(piece / (whole.rows / images), of: images)
      }
      gradient = whole.gradient?.piece(piece, of: whole.rows)
    }

    private var tokens: Int { map?.columns ?? gradient?.columns ?? 0 }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let relevance = try stage.output(rows: rows, columns: tokens)
      try stage.backend.keyRelevance(
        KeyRelevance(
          reading, map: stage.input(map, "map"), gradient: stage.input(gradient, "gradient"), heads: heads,
          leadingKeys: leadingKeys, factor: factor, relevance: relevance))
      return [try stage.read(relevance)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.keyRelevance(
          reading, map: map?.doubles, gradient: gradient?.doubles, rows: rows, heads: heads,
          leadingKeys: leadingKeys, factor: Double(factor))
      ]
    }

    var pieces: Int { rows }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String { "\(reading), \(rows) rows, \(tokens) tokens, \(heads) heads" }
  }

  static let scores = EdgeSizes.attention.map {
    Scores(images: $0.images, prompts: $0.prompts, tokens: $0.tokens, heads: $0.heads, headWidth: $0.headWidth)
  }
  static let relevances = HeadReading.allCases.flatMap { reading in
    [(1, 1, 2, 1), (2, 3, 7, 3), (1, 2, 16, 16), (2, 1, 17, 2), (1, 3, 33, 5), (1, 1, 197, 12)].map {
      Relevance(reading, images: $0.0, prompts: $0.1, tokens: $0.2, heads: $0.3)
    } + [Relevance(reading, images: 1, prompts: 2, tokens: 5, heads: 2, leadingKeys: 0)]
  }

  @Test(arguments: TestBackend.available, scores)
  func keyScores(_ backend: TestBackend, _ test: Scores) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func keyScoresOfRowsThatImagesShare(_ backend: TestBackend) throws {
    let test = Scores(images: 3, prompts: 2, tokens: 19, heads: 3, headWidth: 20, isShared: true)
    try checkDefinition(backend.open(), test)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Scores(images: 1, prompts: 1, tokens: 131, heads: 5, headWidth: 16)])
  }

  @Test(arguments: TestBackend.available, relevances)
  func keyRelevance(_ backend: TestBackend, _ test: Relevance) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, HeadReading.allCases)
  func keyRelevanceRowsAreIndependent(_ backend: TestBackend, _ reading: HeadReading) throws {
    let test = Relevance(reading, images: 3, prompts: 2, tokens: 37, heads: 3)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
