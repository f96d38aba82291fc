import Compute
import OperationSamples
import TestSupport
import Testing

struct MatmulTests {
  enum Residual: Sendable, CaseIterable {
    case none, full, fewerRows, oddRows
    /// The output itself, added in place.
    case output
  }

  struct Case: OperationCase {
    let input: HostMatrix
    let scales: HostMatrix?
    let stack: RowStack
    let weight: HostMatrix
    let side: Oracle.Side
    let bias: HostMatrix?
    let activation: Activation?
    let keepsDerivative: Bool
    let keepsSlopes: Bool
    let residualKind: Residual
    let residual: HostMatrix?
    let operation = OperationName.matmul

    var inner: Int { input.columns }
    var outputColumns: Int { side == .outputs ? weight.rows : weight.columns }
    var outputRows: Int { input.rows * (scales == nil ? 1 : stack.copies) }

    /// `rows` is the input's; with `prompts`, those are `rows / tokens` images, scaled for each prompt.
    init(
      rows: Int, inner: Int, columns: Int, side: Oracle.Side = .outputs, prompts: Int? = nil, tokens: Int = 1,
      bias: Bool = false, activation: Activation? = nil, keepsDerivative: Bool = false, keepsSlopes: Bool = false,
      residual: Residual = .none
    ) {
      input = .random(rows, inner, seed: 130)
      stack = RowStack(copies: prompts ?? 1, rows: tokens)
      scales = prompts.map { .random(rows / tokens * $0, inner, seed: 131) }
      let deviation = 1 / Double(inner).squareRoot()
      weight =
        side == .outputs
        ? .random(columns, inner, seed: 132, deviation: deviation)
        : .random(inner, columns, seed: 132, deviation: deviation)
      self.side = side
      self.bias = bias ? .random(1, columns, seed: 133) : nil
      self.activation = activation
      self.keepsDerivative = keepsDerivative
      self.keepsSlopes = keepsSlopes
      residualKind = residual
      let outputRows = rows * (prompts ?? 1)
      let residualRows: Int? =
        switch residual {
        case .none: nil
        case .full, .output: outputRows
        case .fewerRows: tokens
        case .oddRows: outputRows * 2 / 3 + 1
        }
      self.residual = residualRows.map { .random($0, columns, seed: 134) }
    }

    /// A part of the rows of a case, with a weight of its own.
    fileprivate init(_ whole: Case, part: Int, of count: Int) {
      input = whole.input.piece(part, of: count)
      scales = whole.scales?.piece(part, of: count)
      stack = whole.stack
      weight = .random(
        whole.weight.rows, whole.weight.columns, seed: 135 + UInt64(part),
        deviation: 1 / Double(whole.inner).squareRoot())
      side = whole.side
      bias = nil
      activation = nil
      keepsDerivative = false
      keepsSlopes = false
      residualKind = .none
      residual = nil
    }

    private init(_ whole: Case, piece: Int) {
      let image = piece / whole.stack.copies
      input = whole.input.piece(image, of: whole.pieces / whole.stack.copies)
      scales = whole.scales?.piece(piece, of: whole.pieces)
      stack = RowStack(copies: 1, rows: whole.stack.rows)
      weight = whole.weight
      side = whole.side
      bias = whole.bias
      activation = whole.activation
      keepsDerivative = whole.keepsDerivative
      keepsSlopes = whole.keepsSlopes
      residualKind = whole.residualKind
      residual = whole.residual.map { $0.rows == whole.outputRows ? $0.piece(piece, of: whole.pieces) : $0 }
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let output: Matrix<B.Buffer>
      let residual: Matrix<B.Buffer>?
      if residualKind == .output, let host = self.residual {
        output = try stage.inPlace(host, "output as residual")
        residual = output
      } else {
        output = try stage.output(rows: outputRows, columns: outputColumns)
        residual = try stage.input(self.residual, "residual")
      }
      let derivative =
        keepsDerivative ? try stage.output(rows: outputRows, columns: outputColumns, "derivative") : nil
      let slopes = keepsSlopes ? try stage.output(rows: outputRows, columns: outputColumns, "slopes") : nil
      try stage.backend.matmul(
        Matmul(
          input: stage.input(input),
          inputScale: stage.input(scales, "scales").map { Matmul.InputScale(scales: $0, stack: stack) },
          weight: weight.prepare(on: stage.backend), side: side == .outputs ? .outputs : .inputs, output: output,
          epilogue: Matmul.Epilogue(
            bias: stage.input(bias, "bias"), activation: activation, derivative: derivative, slopes: slopes,
            residual: residual)))
      return try [stage.read(output)] + [derivative, slopes].compactMap { $0 }.map { try stage.read($0) }
    }

    func expected() -> [DoubleMatrix] {
      let left = scales.map { Oracle.scaledInput(input.doubles, scales: $0.doubles, stack: stack) }
      let product = Oracle.matmul(left ?? input.doubles, weight: weight.doubles, side: side)
      let (output, derivative) = Oracle.epilogue(
        product, bias: bias?.doubles, activation: activation, residual: residual?.doubles)
      guard keepsDerivative, let derivative else { return [output] }
      guard keepsSlopes else { return [output, derivative] }
      let slopes = zip(derivative.values, product.values).map { $0.0 * $0.1 }
      return [output, derivative, DoubleMatrix(rows: product.rows, columns: product.columns, values: slopes)]
    }

    var pieces: Int { outputRows / stack.rows }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(outputRows)×\(inner)×\(outputColumns) by \(side)"
        + (scales == nil ? "" : " scaled for \(stack.copies) prompts") + (bias == nil ? "" : " + bias")
        + (activation.map { ", \($0)" } ?? "") + (keepsDerivative ? " with derivative" : "")
        + (keepsSlopes ? " and slopes" : "")
        + (residual == nil ? "" : ", residual \(residualKind)")
    }
  }

  static let sides: [Oracle.Side] = [.outputs, .inputs]

  @Test(arguments: TestBackend.available, sides)
  func matmul(_ backend: TestBackend, side: Oracle.Side) throws {
    for shape in EdgeSizes.products {
      try checkDefinition(
        backend.open(), Case(rows: shape.rows, inner: shape.inner, columns: shape.columns, side: side))
    }
  }

  static let largeCases: [Case] = sides.flatMap { side -> [Case] in
    EdgeSizes.largeProducts.map { Case(rows: $0.rows, inner: $0.inner, columns: $0.columns, side: side) }
  }

  @Test(arguments: TestBackend.available, largeCases)
  func matmulBeyondOneBlock(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  /// Bias × activation × what is kept of it × residual, all combinations.
  static func epilogues(rows: Int, inner: Int, columns: Int, tokens: Int, side: Oracle.Side, prompts: Int?) -> [Case] {
    var cases: [Case] = []
    for bias in [false, true] {
      for activation in [nil] + Activation.allCases.map(Optional.some) {
        for (keepsDerivative, keepsSlopes) in [(false, false), (true, false), (true, true)].prefix(
          activation == nil ? 1 : 3)
        {
          for residual in Residual.allCases {
            cases.append(
              Case(
                rows: rows, inner: inner, columns: columns, side: side, prompts: prompts, tokens: tokens, bias: bias,
                activation: activation, keepsDerivative: keepsDerivative, keepsSlopes: keepsSlopes, residual: residual))
          }
        }
      }
    }
    return cases
  }

  @Test(
    arguments: TestBackend.available,
    epilogues(rows: 14, inner: 11, columns: 37, tokens: 7, side: .outputs, prompts: nil))
  func matmulEpilogue(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test, layouts: [.tight, .padded])
  }

  @Test(
    arguments: TestBackend.available, epilogues(rows: 6, inner: 9, columns: 18, tokens: 3, side: .inputs, prompts: 2))
  func matmulEpilogueOfTheBackward(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test, layouts: [.padded])
  }

  /// A long inner dimension is summed in several blocks: the epilogue runs once, after the last.
  @Test(arguments: TestBackend.available, sides)
  func matmulEpilogueAfterALongSum(_ backend: TestBackend, side: Oracle.Side) throws {
    for residual in Residual.allCases {
      let test = Case(
        rows: 8, inner: 1543, columns: 19, side: side, tokens: 4, bias: true, activation: .gelu,
        keepsDerivative: true, keepsSlopes: true, residual: residual)
      try checkDefinition(backend.open(), test, layouts: [.padded])
    }
  }

  static let scaledCases: [Case] = sides.flatMap { side -> [Case] in
    [
      (1, 1, 1, 1, 1), (1, 2, 5, 7, 3), (2, 3, 7, 16, 17), (3, 1, 13, 33, 15), (2, 2, 1, 19, 33), (1, 5, 16, 12, 16),
      (1, 2, 97, 40, 12), (2, 3, 5, 300, 9),
    ].map { images, prompts, tokens, inner, columns in
      Case(rows: images * tokens, inner: inner, columns: columns, side: side, prompts: prompts, tokens: tokens)
    }
  }

  @Test(arguments: TestBackend.available, scaledCases)
  func matmulOfAScaledInput(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  /// Several weights, each for its part of the rows.
  struct Joined: OperationCase {
    /// Cases of one shape with weights of their own.
    let parts: [Case]
    /// Whether the weights are those of one layer in several blocks, which a backend may keep together.
    let together: Bool
    let operation = OperationName.matmul

    init(
      _ count: Int, rows: Int, inner: Int, columns: Int, side: Oracle.Side, prompts: Int? = nil, tokens: Int = 1,
      together: Bool = true
    ) {
      parts = (0..<count).map { part in
        let whole = Case(
          rows: rows * count, inner: inner, columns: columns, side: side, prompts: prompts, tokens: tokens)
        return Case(whole, part: part, of: count)
      }
      self.together = together
    }

    private init(_ parts: [Case]) {
      self.parts = parts
      together = true
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let first = parts[0]
      let weights = WeightSequence(groupCount: parts.count + 2)
      let output = try stage.output(rows: parts.count * first.outputRows, columns: first.outputColumns)
      let scales = first.scales.map { _ in HostMatrix(stacking: parts.compactMap(\.scales)) }
      // The first group's weight says where the others go.
      _ = try parts[0].weight.prepare(on: stage.backend, group: weights.group(0))
      try stage.backend.matmul(
        Matmul(
          input: stage.input(HostMatrix(stacking: parts.map(\.input))),
          inputScale: stage.input(scales, "scales").map { Matmul.InputScale(scales: $0, stack: first.stack) },
          weights: parts.indices.map {
            try parts[$0].weight.prepare(on: stage.backend, group: together ? weights.group($0 + 1) : nil)
          }, side: first.side == .outputs ? .outputs : .inputs, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] {
      let results = parts.map { $0.expected()[0] }
      return [
        DoubleMatrix(
          rows: results.reduce(0) { $0 + $1.rows }, columns: results[0].columns, values: results.flatMap(\.values))
      ]
    }

    var pieces: Int { parts.count }
    func piece(_ index: Int) -> Self { Self([parts[index]]) }
    var testDescription: String { "\(parts.count) of \(parts[0])" + (together ? "" : " apart") }
  }

  static let joinedCases: [Joined] = sides.flatMap { side -> [Joined] in
    [
      Joined(2, rows: 1, inner: 1, columns: 1, side: side), Joined(3, rows: 1, inner: 19, columns: 17, side: side),
      Joined(12, rows: 8, inner: 129, columns: 33, side: side), Joined(2, rows: 9, inner: 40, columns: 130, side: side),
      Joined(3, rows: 70, inner: 33, columns: 65, side: side),
      Joined(2, rows: 129, inner: 64, columns: 128, side: side),
      Joined(3, rows: 10, inner: 21, columns: 13, side: side, together: false),
      Joined(3, rows: 2, inner: 21, columns: 13, side: side, prompts: 2, tokens: 1),
      Joined(4, rows: 14, inner: 32, columns: 19, side: side, prompts: 3, tokens: 7),
      Joined(2, rows: 97, inner: 48, columns: 64, side: side, prompts: 2, tokens: 97),
      Joined(3, rows: 6, inner: 65, columns: 31, side: side, prompts: 2, tokens: 3, together: false),
    ]
  }

  @Test(arguments: TestBackend.available, joinedCases)
  func matmulWithSeveralWeights(_ backend: TestBackend, _ test: Joined) throws {
    try checkDefinition(backend.open(), test)
    try checkIndependence(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, sides)
  func matmulRowsAreIndependent(_ backend: TestBackend, side: Oracle.Side) throws {
    // Single rows of a batch, images of a batch, and prompts of images.
    try checkIndependence(
      backend.open(), Case(rows: 29, inner: 331, columns: 41, side: side, bias: true, activation: .gelu))
    try checkIndependence(
      backend.open(),
      Case(
        rows: 7 * 13, inner: 64, columns: 50, side: side, tokens: 13, bias: true, activation: .quickGELU,
        keepsDerivative: true, keepsSlopes: true, residual: .fewerRows))
    try checkIndependence(
      backend.open(), Case(rows: 3 * 17, inner: 65, columns: 33, side: side, prompts: 2, tokens: 17, residual: .full))
  }

  @Test(arguments: TestBackend.available, sides)
  func matmulBitsDoNotDependOnThreads(_ backend: TestBackend, side: Oracle.Side) throws {
    try checkSchedules(
      backend,
      [
        Case(rows: 131, inner: 97, columns: 101, side: side, bias: true, activation: .geluTanh, keepsDerivative: true),
        Case(rows: 2, inner: 1031, columns: 257, side: side, residual: .output),
        Case(rows: 2 * 37, inner: 65, columns: 33, side: side, prompts: 3, tokens: 37),
        Case(rows: 1, inner: 3, columns: 2, side: side),
      ])
  }

  /// As many rows as a batch of real images has: more than a backend takes at once.
  @Test(arguments: TestBackend.available, sides)
  func matmulOfManyRows(_ backend: TestBackend, side: Oracle.Side) throws {
    let (images, inner, columns) = (16, 1280, 3)
    let stack = RowStack(copies: 2, rows: 257)
    // Ones, but for a column that tells the rows apart and one that tells the prompts apart: the expected
    // values need no loop over the inner dimension.
    var input = HostMatrix(rows: images * stack.rows, columns: inner, repeating: 1)
    for row in 0..<input.rows { input[row, 0] = Float(row % 61) / 4 }
    var scales = HostMatrix(rows: images * stack.copies, columns: inner, repeating: 1)
    for row in 0..<scales.rows { scales[row, 1279] = Float(row) / 2 }
    let weight = HostMatrix.random(columns, inner, seed: 142)
    let residual = HostMatrix.random(stack.rows, columns, seed: 143, deviation: 30)
    var expected = DoubleMatrix(rows: images * stack.copies * stack.rows, columns: columns)
    for column in 0..<columns {
      let sum = weight.rows(column..<column + 1).values.reduce(0.0) { $0 + Double($1) }
      for row in 0..<expected.rows {
        let shared = row / (2 * 257) * 257 + row % 257
        expected[row, column] =
          sum + Double(input[shared, 0] - 1) * Double(weight[column, 0])
          + Double(scales[row / 257, 1279] - 1) * Double(weight[column, 1279]) + Double(residual[row % 257, column])
      }
    }
    func check<B: Backend>(_ backend: B) throws {
      let output = try HostMatrix(rows: expected.rows, columns: columns, repeating: .nan).upload(to: backend)
      var stored = weight
      if side == .inputs {
        stored = HostMatrix(rows: inner, columns: columns, repeating: 0)
        for row in 0..<inner {
          for column in 0..<columns { stored[row, column] = weight[column, row] }
        }
      }
      try backend.matmul(
        Matmul(
          input: input.upload(to: backend), inputScale: .init(scales: scales.upload(to: backend), stack: stack),
          weight: stored.prepare(on: backend), side: side == .outputs ? .outputs : .inputs, output: output,
          epilogue: .init(residual: residual.upload(to: backend))))
      expectClose(
        try HostMatrix.download(output, from: backend), expected, bound: OperationName.matmul.bound(backend.precision))
    }
    try check(backend.open())
  }

  /// One row with a NaN or an infinity leaves the other rows as they were.
  @Test(arguments: TestBackend.available, sides)
  func matmulOfARowThatIsNotFinite(_ backend: TestBackend, side: Oracle.Side) throws {
    func check<B: Backend>(_ backend: B) throws {
      var input = HostMatrix.random(9, 21, seed: 140)
      let weight = HostMatrix.random(21, 21, seed: 141)
      func product(_ input: HostMatrix) throws -> HostMatrix {
        try perform(on: backend) { stage in
          let output = try stage.output(rows: 9, columns: 21)
          try backend.matmul(
            Matmul(
              input: stage.input(input), weight: weight.prepare(on: backend),
              side: side == .outputs ? .outputs : .inputs, output: output))
          return [try stage.read(output)]
        }[0]
      }
      let clean = try product(input)
      input[4, 20] = .nan
      input[6, 0] = .infinity
      let result = try product(input)
      #expect(result.rows(4..<5).values.allSatisfy { $0.isNaN })
      #expect(result.rows(6..<7).values.allSatisfy { !$0.isFinite })
      for row in [0..<4, 5..<6, 7..<9] { expectSameBits(result.rows(row), clean.rows(row), "rows \(row)") }
    }
    try check(backend.open())
  }
}
