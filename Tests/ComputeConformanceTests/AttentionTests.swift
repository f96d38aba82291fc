import Compute
import OperationSamples
import TestSupport
import Testing

struct AttentionTests {
  struct Shape: Sendable, CustomStringConvertible {
    let sequences: Int
    let tokens: Int
    let heads: Int
    let headWidth: Int
    var mask = AttentionMask.none

    var rows: Int { sequences * tokens }
    var width: Int { heads * headWidth }
    var description: String {
      "\(sequences) sequences of \(tokens) tokens, \(heads) heads of \(headWidth)" + (mask == .causal ? ", causal" : "")
    }
  }

  /// Queries, keys and values as three column ranges of one matrix, as a fused projection leaves them.
  struct Fused: Sendable {
    let matrix: HostMatrix
    let width: Int

    init(_ shape: Shape, deviation: Double) {
      self.init(
        matrix: .random(shape.rows, 3 * shape.width, seed: 110, deviation: deviation), width: shape.width)
    }

    init(matrix: HostMatrix, width: Int) {
      self.matrix = matrix
      self.width = width
    }

    func part(_ index: Int) -> DoubleMatrix { matrix.doubles.columns(index * width..<(index + 1) * width) }

    func place<B: Backend>(on stage: Stage<B>) throws -> [Matrix<B.Buffer>] {
      let fused = try stage.input(matrix, "queries, keys, values")
      return (0..<3).map { fused.columns($0 * width..<($0 + 1) * width) }
    }

    func piece(_ index: Int, of count: Int) -> Fused { Fused(matrix: matrix.piece(index, of: count), width: width) }
  }

  struct Forward: OperationCase {
    let shape: Shape
    let fused: Fused
    let operation = OperationName.attention

    init(_ shape: Shape, deviation: Double = 1) {
      self.init(shape, Fused(shape, deviation: deviation))
    }

    init(_ shape: Shape, _ fused: Fused) {
      self.shape = shape
      self.fused = fused
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let parts = try fused.place(on: stage)
      let output = try stage.output(rows: shape.rows, columns: shape.width)
      try stage.backend.attention(
        Attention(
          queries: parts[0], keys: parts[1], values: parts[2], heads: shape.heads, tokens: shape.tokens,
          mask: shape.mask, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.attention(
          queries: fused.part(0), keys: fused.part(1), values: fused.part(2), heads: shape.heads,
          tokens: shape.tokens, mask: shape.mask)
      ]
    }

    var pieces: Int { shape.sequences }
    func piece(_ index: Int) -> Self {
      Self(
        Shape(
          sequences: 1, tokens: shape.tokens, heads: shape.heads, headWidth: shape.headWidth, mask: shape.mask),
        fused.piece(index, of: pieces))
    }
    var testDescription: String { "\(shape)" }
  }

  static let shapes =
    EdgeSizes.attention.map {
      Shape(sequences: $0.images, tokens: $0.tokens, heads: $0.heads, headWidth: $0.headWidth)
    }
    + [
      Shape(sequences: 1, tokens: 1, heads: 2, headWidth: 5, mask: .causal),
      Shape(sequences: 2, tokens: 13, heads: 3, headWidth: 7, mask: .causal),
      Shape(sequences: 1, tokens: 33, heads: 1, headWidth: 64, mask: .causal),
    ]

  static let longShapes = [
    Shape(sequences: 1, tokens: 197, heads: 1, headWidth: 64),
    Shape(sequences: 1, tokens: 257, heads: 1, headWidth: 20),
    Shape(sequences: 1, tokens: 77, heads: 2, headWidth: 64, mask: .causal),
    Shape(sequences: 1, tokens: 139, heads: 1, headWidth: 24, mask: .causal),
    // More keys than a processor's kernels take at once.
    Shape(sequences: 1, tokens: 281, heads: 1, headWidth: 8),
    Shape(sequences: 1, tokens: 281, heads: 1, headWidth: 16, mask: .causal),
  ]

  @Test(arguments: TestBackend.available, shapes.map { Forward($0) })
  func attention(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, longShapes.map { Forward($0) })
  func attentionOfLongSequences(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  @Test(arguments: TestBackend.available, [AttentionMask.none, .causal])
  func attentionSequencesAreIndependent(_ backend: TestBackend, _ mask: AttentionMask) throws {
    let test = Forward(Shape(sequences: 5, tokens: 29, heads: 3, headWidth: 20, mask: mask))
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Forward(Shape(sequences: 1, tokens: 97, heads: 3, headWidth: 16, mask: mask))])
  }

  @Test(arguments: TestBackend.available)
  func causalQueriesDoNotSeeLaterTokens(_ backend: TestBackend) throws {
    let shape = Shape(sequences: 1, tokens: 45, heads: 2, headWidth: 9, mask: .causal)
    let fused = Fused(shape, deviation: 1)
    var changed = fused.matrix
    for row in 30..<45 {
      for column in 0..<changed.columns { changed[row, column] = 1e3 - changed[row, column] }
    }
    func run<B: Backend>(_ backend: B, _ matrix: HostMatrix) throws -> HostMatrix {
      try Forward(shape, Fused(matrix: matrix, width: fused.width)).run(on: Stage(backend, layout: .tight))[0]
    }
    let output = try run(backend.open(), fused.matrix)
    let changedOutput = try run(backend.open(), changed)
    expectSameBits(changedOutput.rows(0..<30), output.rows(0..<30), "the first 30 tokens")
    #expect(changedOutput.rows(30..<45) != output.rows(30..<45))
  }

  /// Logits of thousands: each query sees the key it likes best, or all of several equal ones.
  @Test(arguments: TestBackend.available)
  func attentionOfExtremeLogits(_ backend: TestBackend) throws {
    let shape = Shape(sequences: 1, tokens: 19, heads: 1, headWidth: 8)
    var matrix = HostMatrix.random(19, 24, seed: 111)
    for token in 0..<19 {
      // Token t prefers key t; the last two keys are one and the same.
      let direction = min(token, 17)
      for column in 0..<8 {
        let bit: Float = direction >> (column % 5) & 1 == 1 ? 64 : -64
        matrix[token, column] = column < 5 ? bit : 0
        matrix[token, 8 + column] = column < 5 ? bit : 0
      }
    }
    let test = Forward(shape, Fused(matrix: matrix, width: 8))
    try checkDefinition(backend.open(), test)
    // All logits equal: the mean of the values.
    let flat = Forward(
      shape, Fused(matrix: HostMatrix(rows: 19, columns: 24, repeating: 3), width: 8))
    try checkDefinition(backend.open(), flat)
  }

  struct Backward: OperationCase {
    let shape: Shape
    let fused: Fused
    let upstream: HostMatrix
    let operation = OperationName.attentionBackward
    // With one token, and in a causal map's first row, the gradients of queries and keys cancel to nothing.
    var magnitude: Double { shape.tokens == 1 ? 1 : 0 }

    init(_ shape: Shape) {
      self.init(shape, Fused(shape, deviation: 1), .random(shape.rows, shape.width, seed: 112))
    }

    private init(_ shape: Shape, _ fused: Fused, _ upstream: HostMatrix) {
      self.shape = shape
      self.fused = fused
      self.upstream = upstream
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let parts = try fused.place(on: stage)
      let gradients = try stage.output(rows: shape.rows, columns: 3 * shape.width, "gradients")
      let gradient = (0..<3).map { gradients.columns($0 * shape.width..<($0 + 1) * shape.width) }
      try stage.backend.attentionBackward(
        AttentionBackward(
          upstream: stage.input(upstream, "upstream"), queries: parts[0], keys: parts[1], values: parts[2],
          heads: shape.heads, tokens: shape.tokens, mask: shape.mask, queryGradient: gradient[0],
          keyGradient: gradient[1], valueGradient: gradient[2]))
      return try gradient.map { try stage.read($0) }
    }

    func expected() -> [DoubleMatrix] {
      let gradients = Oracle.attentionBackward(
        upstream: upstream.doubles, queries: fused.part(0), keys: fused.part(1), values: fused.part(2),
        heads: shape.heads, tokens: shape.tokens, mask: shape.mask)
      return [gradients.queries, gradients.keys, gradients.values]
    }

    var pieces: Int { shape.sequences }
    func piece(_ index: Int) -> Self {
      Self(
        Shape(
          sequences: 1, tokens: shape.tokens, heads: shape.heads, headWidth: shape.headWidth, mask: shape.mask),
        fused.piece(index, of: pieces), upstream.piece(index, of: pieces))
    }
    var testDescription: String { "\(shape)" }
  }

  @Test(arguments: TestBackend.available, shapes.map { Backward($0) })
  func attentionBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, longShapes.map { Backward($0) })
  func attentionBackwardOfLongSequences(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  @Test(arguments: TestBackend.available, [AttentionMask.none, .causal])
  func attentionBackwardSequencesAreIndependent(_ backend: TestBackend, _ mask: AttentionMask) throws {
    let test = Backward(Shape(sequences: 5, tokens: 29, heads: 3, headWidth: 20, mask: mask))
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Backward(Shape(sequences: 1, tokens: 97, heads: 3, headWidth: 16, mask: mask))])
  }
}
