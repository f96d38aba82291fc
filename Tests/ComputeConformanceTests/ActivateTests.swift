import Compute
import OperationSamples
import TestSupport
import Testing

struct ActivateTests {
  struct Forward: OperationCase {
    let activation: Activation
    let input: HostMatrix
    let keepsDerivative: Bool
    let inPlace: Bool
    let operation = OperationName.activate

    init(_ activation: Activation, _ rows: Int, _ columns: Int, keepsDerivative: Bool = true, inPlace: Bool = false) {
      self.init(
        activation, input: .random(rows, columns, seed: 40, deviation: 2), keepsDerivative: keepsDerivative,
        inPlace: inPlace)
    }

    init(_ activation: Activation, input: HostMatrix, keepsDerivative: Bool = true, inPlace: Bool = false) {
      self.activation = activation
      self.input = input
      self.keepsDerivative = keepsDerivative
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns)
      let derivative =
        keepsDerivative ? try stage.output(rows: input.rows, columns: input.columns, "derivative") : nil
      try stage.backend.activate(Activate(activation, input: input, output: output, derivative: derivative))
      return try [stage.read(output)] + (derivative.map { [try stage.read($0)] } ?? [])
    }

    func expected() -> [DoubleMatrix] {
      let output = input.doubles.map { Oracle.activation(activation, $0) }
      return keepsDerivative ? [output, input.doubles.map { Oracle.activationDerivative(activation, $0) }] : [output]
    }

    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self {
      Self(activation, input: input.rows(index..<index + 1), keepsDerivative: keepsDerivative, inPlace: inPlace)
    }
    var testDescription: String {
      "\(activation) \(input.rows)×\(input.columns)" + (keepsDerivative ? " with derivative" : "")
        + (inPlace ? " in place" : "")
    }
  }

  static let cases = Activation.allCases.flatMap { activation in
    EdgeSizes.rows.map { Forward(activation, $0.rows, $0.columns) } + [
      Forward(activation, 3, 19, keepsDerivative: false), Forward(activation, 3, 19, inPlace: true),
      Forward(activation, 3, 19, keepsDerivative: false, inPlace: true),
    ]
  }

  @Test(arguments: TestBackend.available, cases)
  func activate(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func activateRowsAreIndependent(_ backend: TestBackend) throws {
    for activation in Activation.allCases {
      try checkIndependence(backend.open(), Forward(activation, 7, 33))
      try checkSchedules(backend, [Forward(activation, 131, 67)])
    }
  }

  /// A fine sweep, each point on its own scale: the tails as well as the bend.
  @Test(arguments: TestBackend.available, Activation.allCases)
  func activateOverItsWholeRange(_ backend: TestBackend, _ activation: Activation) throws {
    var points = stride(from: Float(-40), through: 40, by: 0.0625).map { $0 }
    points += [0, -0.0, 1e-8, -1e-8, 1e-30, -1e-30, 1e4, -1e4, 1e18, -1e18, 3e38, -3e38]
    let test = Forward(activation, input: HostMatrix(rows: 1, columns: points.count, values: points))
    func run<B: Backend>(_ backend: B) throws -> [HostMatrix] { try test.run(on: Stage(backend, layout: .tight)) }
    let results = try run(backend.open())
    for (column, x) in points.enumerated() {
      let value = Oracle.activation(activation, Double(x))
      let derivative = Oracle.activationDerivative(activation, Double(x))
      let valueError = abs(Double(results[0].values[column]) - value)
      let derivativeError = abs(Double(results[1].values[column]) - derivative)
      #expect(valueError <= 2e-6 * max(1, abs(Double(x))), "φ(\(x)) = \(results[0].values[column])")
      #expect(derivativeError <= 1e-5, "φ'(\(x)) = \(results[1].values[column])")
    }
    let zeros = points.indices.filter { points[$0] == 0 }
    #expect(zeros.count == 3)
    #expect(zeros.allSatisfy { results[0].values[$0] == 0 && abs(results[1].values[$0] - 0.5) <= 1e-7 })
  }

  struct Backward: OperationCase {
    let upstream: HostMatrix
    let derivative: HostMatrix
    let stack: RowStack
    let inPlace: Bool
    let operation = OperationName.activationBackward

    init(images: Int, prompts: Int, tokens: Int, columns: Int, broadcasts: Bool, inPlace: Bool = false) {
      upstream = .random(images * prompts * (broadcasts ? 1 : tokens), columns, seed: 41)
      derivative = .random(images * tokens, columns, seed: 42, mean: 0.5)
      stack = RowStack(copies: prompts, rows: tokens)
      self.inPlace = inPlace
    }

    private init(_ whole: Backward, piece: Int) {
      upstream = whole.upstream.piece(piece, of: whole.pieces)
      derivative = whole.derivative.piece(piece / whole.stack.copies, of: whole.pieces / whole.stack.copies)
      stack = RowStack(copies: 1, rows: whole.stack.rows)
      inPlace = whole.inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let upstream = inPlace ? try stage.inPlace(self.upstream) : try stage.input(self.upstream, "upstream")
      let gradient =
        inPlace ? upstream : try stage.output(rows: derivative.rows * stack.copies, columns: upstream.columns)
      try stage.backend.activationBackward(
        ActivationBackward(
          upstream: upstream, derivative: stage.input(derivative, "derivative"), stack: stack, gradient: gradient))
      return [try stage.read(gradient)]
    }

    func expected() -> [DoubleMatrix] {
      [Oracle.activationBackward(upstream: upstream.doubles, derivative: derivative.doubles, stack: stack)]
    }

    var pieces: Int { derivative.rows / stack.rows * stack.copies }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(pieces / stack.copies) images, \(stack.copies) prompts, \(stack.rows) tokens, \(upstream.columns) columns"
        + ", \(upstream.rows) upstream rows" + (inPlace ? " in place" : "")
    }
  }

  static let backwardCases =
    [false, true].flatMap { broadcasts in
      [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 7, 16), (3, 1, 5, 17), (2, 2, 1, 33), (1, 3, 97, 13)].map {
        Backward(images: $0.0, prompts: $0.1, tokens: $0.2, columns: $0.3, broadcasts: broadcasts)
      }
    } + [Backward(images: 2, prompts: 3, tokens: 5, columns: 19, broadcasts: false, inPlace: true)]

  @Test(arguments: TestBackend.available, backwardCases)
  func activationBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, [false, true])
  func activationBackwardPromptsAreIndependent(_ backend: TestBackend, broadcasts: Bool) throws {
    let test = Backward(images: 3, prompts: 2, tokens: 37, columns: 33, broadcasts: broadcasts)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
