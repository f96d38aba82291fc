import Compute
import TestSupport
import Testing

struct TokenSumsTests {
  struct Case: OperationCase {
    let weights: HostMatrix
    let tokens: HostMatrix
    let isProduct = false

    init(images: Int, rowsPerImage: Int, tokens: Int, width: Int) {
      weights = Oracle.softmax(HostMatrix.random(images * rowsPerImage, tokens, seed: 320).doubles).floats
      self.tokens = .random(images * tokens, width, seed: 321, mean: 0.2)
    }

    private init(weights: HostMatrix, tokens: HostMatrix) {
      self.weights = weights
      self.tokens = tokens
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let sums = try stage.output(rows: weights.rows, columns: tokens.columns)
      try stage.backend.tokenSums(
        TokenSums(weights: stage.input(weights, "weights"), tokens: stage.input(tokens, "tokens"), sums: sums))
      return [try stage.read(sums)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.tokenSums(weights: weights.doubles, tokens: tokens.doubles)] }
    private var images: Int { tokens.rows / weights.columns }
    var pieces: Int { weights.rows }
    func piece(_ index: Int) -> Self {
      Self(weights: weights.piece(index, of: pieces), tokens: tokens.piece(index * images / pieces, of: images))
    }
    var testDescription: String { "\(weights.rows) rows for \(images) images of \(weights.columns) tokens" }
  }

  static let cases = [
    (1, 1, 1, 1), (1, 1, 5, 7), (2, 3, 7, 16), (1, 12, 25, 49), (3, 2, 17, 33), (2, 4, 197, 65), (1, 8, 196, 769),
  ].map { Case(images: $0.0, rowsPerImage: $0.1, tokens: $0.2, width: $0.3) }

  @Test(arguments: TestBackend.available, cases)
  func tokenSums(_ backend: TestBackend, _ test: Case) throws { try checkDefinition(backend.open(), test) }

  @Test(arguments: TestBackend.available)
  func tokenSumsRowsAreIndependent(_ backend: TestBackend) throws {
    let test = Case(images: 3, rowsPerImage: 4, tokens: 37, width: 67)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
