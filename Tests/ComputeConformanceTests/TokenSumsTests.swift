import Compute
import OperationSamples
import TestSupport
import Testing

struct TokenSumsTests {
  struct Case: OperationCase {
    let weights: HostMatrix
    let tokens: HostMatrix
    let operation = OperationName.tokenSums

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

  static let cases = EdgeSizes.sumsOverTokens.map {
    Case(images: $0.images, rowsPerImage: $0.rowsPerImage, tokens: $0.tokens, width: $0.width)
  }

  @Test(arguments: TestBackend.available, cases)
  func tokenSums(_ backend: TestBackend, _ test: Case) throws { try checkDefinition(backend.open(), test) }

  @Test(arguments: TestBackend.available)
  func tokenSumsRowsAreIndependent(_ backend: TestBackend) throws {
    let test = Case(images: 3, rowsPerImage: 4, tokens: 37, width: 67)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }

  struct Backward: OperationCase {
    let weights: HostMatrix
    let upstream: HostMatrix
    /// What the gradient is added to.
    let initial: HostMatrix?
    let groups: Int
    let operation = OperationName.tokenSumsBackward

    init(
      groups: Int, rowsPerGroup: Int, tokens: Int, width: Int, repeats: Bool = false, accumulates: Bool = false
    ) {
      weights = .random(groups * rowsPerGroup, tokens, seed: 330, mean: 0.3)
      upstream = .random(repeats ? rowsPerGroup : groups * rowsPerGroup, width, seed: 331, mean: 0.4)
      initial = accumulates ? .random(groups * tokens, width, seed: 332) : nil
      self.groups = groups
    }

    private init(weights: HostMatrix, upstream: HostMatrix, initial: HostMatrix?) {
      self.weights = weights
      self.upstream = upstream
      self.initial = initial
      groups = 1
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let gradient =
        try initial.map { try stage.inPlace($0) }
        ?? stage.output(rows: groups * weights.columns, columns: upstream.columns)
      try stage.backend.tokenSumsBackward(
        TokenSumsBackward(
          weights: stage.input(weights, "weights"), upstream: stage.input(upstream, "upstream"),
          accumulates: initial != nil, gradient: gradient))
      return [try stage.read(gradient)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.tokenSumsBackward(
          weights: weights.doubles, upstream: upstream.doubles, groups: groups, initial: initial?.doubles)
      ]
    }

    var pieces: Int { groups }
    func piece(_ index: Int) -> Self {
      Self(
        weights: weights.piece(index, of: groups),
        upstream: upstream.rows == weights.rows ? upstream.piece(index, of: groups) : upstream,
        initial: initial?.piece(index, of: groups))
    }
    var testDescription: String {
      "\(groups) groups, \(weights.rows)×\(weights.columns) weights, \(upstream.rows)×\(upstream.columns) upstream"
        + (initial == nil ? "" : ", accumulating")
    }
  }

  static let backwardCases =
    EdgeSizes.sumsOverTokens.map {
      Backward(groups: $0.images, rowsPerGroup: $0.rowsPerImage, tokens: $0.tokens, width: $0.width)
    }
    + [
      Backward(groups: 3, rowsPerGroup: 4, tokens: 37, width: 67, repeats: true),
      Backward(groups: 2, rowsPerGroup: 5, tokens: 31, width: 17, accumulates: true),
      Backward(groups: 3, rowsPerGroup: 2, tokens: 11, width: 129, repeats: true, accumulates: true),
    ]

  @Test(arguments: TestBackend.available, backwardCases)
  func tokenSumsBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func tokenSumsBackwardGroupsAreIndependent(_ backend: TestBackend) throws {
    let test = Backward(groups: 3, rowsPerGroup: 4, tokens: 37, width: 67, repeats: true, accumulates: true)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
