import Compute
import OperationSamples
import TestSupport
import Testing

struct LayerNormTests {
  struct Forward: OperationCase {
    let input: HostMatrix
    let scale: HostMatrix
    let shift: HostMatrix
    let epsilon: Float
    let keepsStatistics: Bool
    let inPlace: Bool
    let operation = OperationName.layerNorm

    init(
      _ rows: Int, _ columns: Int, mean: Double = 0, epsilon: Float = 1e-5, keepsStatistics: Bool = true,
      inPlace: Bool = false
    ) {
      self.init(
        input: .random(rows, columns, seed: 30, mean: mean), epsilon: epsilon, keepsStatistics: keepsStatistics,
        inPlace: inPlace)
    }

    init(input: HostMatrix, epsilon: Float = 1e-5, keepsStatistics: Bool = true, inPlace: Bool = false) {
      self.input = input
      scale = .random(1, input.columns, seed: 31, mean: 1)
      shift = .random(1, input.columns, seed: 32)
      self.epsilon = epsilon
      self.keepsStatistics = keepsStatistics
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns)
      let statistics = keepsStatistics ? try stage.output(rows: input.rows, columns: 2, "statistics") : nil
      try stage.backend.layerNorm(
        LayerNorm(
          input: input, scale: stage.input(scale, "scale"), shift: stage.input(shift, "shift"), epsilon: epsilon,
          output: output, statistics: statistics))
      guard let statistics else { return [try stage.read(output)] }
      return try [stage.read(output), stage.read(statistics.columns(0..<1)), stage.read(statistics.columns(1..<2))]
    }

    func expected() -> [DoubleMatrix] {
      let (output, statistics) = Oracle.layerNorm(
        input.doubles, scale: scale.doubles, shift: shift.doubles, epsilon: Double(epsilon))
      return keepsStatistics ? [output, statistics.columns(0..<1), statistics.columns(1..<2)] : [output]
    }

    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self {
      Self(
        input: input.rows(index..<index + 1), epsilon: epsilon, keepsStatistics: keepsStatistics, inPlace: inPlace)
    }
    var testDescription: String {
      "\(input.rows)×\(input.columns), epsilon \(epsilon)" + (keepsStatistics ? " with statistics" : "")
        + (inPlace ? " in place" : "")
    }
  }

  static let cases =
    EdgeSizes.rows.map { Forward($0.rows, $0.columns) } + [
      Forward(5, 33, inPlace: true), Forward(5, 33, keepsStatistics: false), Forward(7, 96, epsilon: 1e-6),
      Forward(3, 17, epsilon: 0.5),
      // A mean far from zero: the variance has to be that of the deviations.
      Forward(4, 97, mean: 30),
    ]

  @Test(arguments: TestBackend.available, cases)
  func layerNorm(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func layerNormRowsAreIndependent(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Forward(13, 97))
    try checkSchedules(backend, [Forward(197, 67), Forward(2, 5)])
  }

  @Test(arguments: TestBackend.available, [Float(0), 3.7, -1000])
  func layerNormOfAConstantRow(_ backend: TestBackend, _ constant: Float) throws {
    let test = Forward(input: HostMatrix(rows: 2, columns: 101, repeating: constant))
    func run<B: Backend>(_ backend: B) throws -> [HostMatrix] { try test.run(on: Stage(backend, layout: .padded)) }
    let results = try run(backend.open())
    // What rounding leaves of the mean is multiplied by 1/√epsilon ≈ 316.
    let slack = abs(constant) * 1e-6 * 316
    for index in results[0].values.indices {
      let column = index % 101
      let deviation = abs(results[0].values[index] - test.shift[0, column])
      #expect(deviation <= slack * abs(test.scale[0, column]))
    }
    #expect(results[1].values.allSatisfy { abs($0 - constant) <= abs(constant) * 1e-6 })
    #expect(results[2].values.allSatisfy { $0 > 300 && $0 < 317 })
  }

  struct Backward: OperationCase {
    let upstream: HostMatrix
    let input: HostMatrix
    let statistics: HostMatrix
    let scale: HostMatrix
    let stack: RowStack
    let factor: Float
    let addend: HostMatrix?
    let inPlace: Bool
    let operation = OperationName.layerNormBackward

    init(
      images: Int, prompts: Int, tokens: Int, columns: Int, factor: Float = 1, hasAddend: Bool = false,
      broadcasts: Bool = false, inPlace: Bool = false, scales: Int = 1
    ) {
      upstream = .random(images * prompts * (broadcasts ? 1 : tokens), columns, seed: 33)
      input = .random(images * tokens, columns, seed: 34, mean: 0.5)
      scale = .random(scales, columns, seed: 35, mean: 1)
      let any = DoubleMatrix(rows: 1, columns: columns)
      statistics = Oracle.layerNorm(input.doubles, scale: any, shift: any, epsilon: 1e-5).statistics.floats
      stack = RowStack(copies: prompts, rows: tokens)
      self.factor = factor
      addend = hasAddend ? .random(images * prompts, columns, seed: 36) : nil
      self.inPlace = inPlace
    }

    private init(_ whole: Backward, piece: Int) {
      let image = piece / whole.stack.copies
      let images = whole.pieces / whole.stack.copies
      upstream = whole.upstream.piece(piece, of: whole.pieces)
      input = whole.input.piece(image, of: images)
      statistics = whole.statistics.piece(image, of: images)
      let scales = whole.scale.rows
      scale = whole.scale.rows(piece * scales / whole.pieces..<piece * scales / whole.pieces + 1)
      stack = RowStack(copies: 1, rows: whole.stack.rows)
      factor = whole.factor
      addend = whole.addend?.piece(piece, of: whole.pieces)
      inPlace = whole.inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] { try run(on: stage, upstream: upstream) }

    /// With another upstream.
    func run<B: Backend>(on stage: Stage<B>, upstream: HostMatrix) throws -> [HostMatrix] {
      let upstream = inPlace ? try stage.inPlace(upstream) : try stage.input(upstream, "upstream")
      let output =
        inPlace ? upstream : try stage.output(rows: input.rows * stack.copies, columns: upstream.columns)
      try stage.backend.layerNormBackward(
        LayerNormBackward(
          upstream: upstream, input: stage.input(input), statistics: stage.input(statistics, "statistics"),
          scale: stage.input(scale, "scale"), stack: stack, factor: factor, addend: stage.input(addend, "addend"),
          output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] {
      guard scale.rows == 1 else {
        let parts = (0..<pieces).map { piece($0).expected()[0] }
        return [
          DoubleMatrix(
            rows: parts.reduce(0) { $0 + $1.rows }, columns: input.columns, values: parts.flatMap(\.values))
        ]
      }
      return [
        Oracle.layerNormBackward(
          upstream: upstream.doubles, input: input.doubles, statistics: statistics.doubles, scale: scale.doubles,
          stack: stack, factor: Double(factor), addend: addend?.doubles)
      ]
    }

    var pieces: Int { input.rows / stack.rows * stack.copies }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(pieces / stack.copies) images, \(stack.copies) prompts, \(stack.rows) tokens, \(upstream.columns) columns, "
        + "factor \(factor), \(upstream.rows) upstream rows" + (addend == nil ? "" : " with addend")
        + (inPlace ? " in place" : "") + (scale.rows > 1 ? ", \(scale.rows) scales" : "")
    }
  }

  static let backwardCases =
    [5, 7, 8, 12, 15, 16, 17, 31, 32, 33, 65, 257].map {
      Backward(images: 1, prompts: 1, tokens: 3, columns: $0)
    } + [
      Backward(images: 1, prompts: 1, tokens: 1, columns: 1, hasAddend: true),
      Backward(images: 2, prompts: 3, tokens: 5, columns: 13),
      Backward(images: 2, prompts: 3, tokens: 5, columns: 13, factor: 0.2, hasAddend: true),
      Backward(images: 3, prompts: 2, tokens: 1, columns: 33, factor: -1.5),
      Backward(images: 2, prompts: 3, tokens: 7, columns: 33, hasAddend: true, inPlace: true),
      Backward(images: 1, prompts: 2, tokens: 197, columns: 17, hasAddend: true),
      Backward(images: 3, prompts: 1, tokens: 1, columns: 33, scales: 3),
      Backward(images: 4, prompts: 3, tokens: 5, columns: 13, factor: 0.7, hasAddend: true, scales: 2),
      Backward(images: 6, prompts: 2, tokens: 7, columns: 129, hasAddend: true, inPlace: true, scales: 3),
      Backward(images: 4, prompts: 2, tokens: 3, columns: 17, hasAddend: true, broadcasts: true, scales: 4),
    ]
    + [(1, 1, 1, 1), (1, 1, 3, 16), (2, 3, 5, 13), (1, 2, 7, 33), (3, 1, 5, 65), (1, 3, 97, 257)].flatMap {
      [
        Backward(images: $0.0, prompts: $0.1, tokens: $0.2, columns: $0.3, broadcasts: true),
        Backward(
          images: $0.0, prompts: $0.1, tokens: $0.2, columns: $0.3, factor: 0.3, hasAddend: true, broadcasts: true),
      ]
    }

  @Test(arguments: TestBackend.available, backwardCases)
  func layerNormBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, [false, true])
  func layerNormBackwardPromptsAreIndependent(_ backend: TestBackend, broadcasts: Bool) throws {
    let test = Backward(
      images: 3, prompts: 2, tokens: 5, columns: 33, factor: 0.7, hasAddend: true, broadcasts: broadcasts)
    try checkIndependence(backend.open(), test)
    try checkIndependence(
      backend.open(),
      Backward(images: 6, prompts: 2, tokens: 5, columns: 33, hasAddend: true, broadcasts: broadcasts, scales: 3))
    try checkSchedules(
      backend, [test, Backward(images: 2, prompts: 3, tokens: 67, columns: 19, broadcasts: broadcasts)])
  }

  /// A row per prompt gives the bits of that row under each token.
  @Test(arguments: TestBackend.available)
  func aRowPerPromptIsThatRowForEachToken(_ backend: TestBackend) throws {
    let test = Backward(images: 2, prompts: 3, tokens: 5, columns: 37, factor: 0.7, hasAddend: true, broadcasts: true)
    let rows = (0..<2 * 3 * 5).flatMap { test.upstream.rows($0 / 5..<$0 / 5 + 1).values }
    let repeated = HostMatrix(rows: 2 * 3 * 5, columns: 37, values: rows)
    func run<B: Backend>(_ backend: B) throws -> (broadcast: HostMatrix, repeated: HostMatrix) {
      let stage = Stage(backend, layout: .tight)
      return try (test.run(on: stage)[0], test.run(on: stage, upstream: repeated)[0])
    }
    let result = try run(backend.open())
    expectSameBits(result.broadcast, result.repeated, "a row per prompt")
  }
}
