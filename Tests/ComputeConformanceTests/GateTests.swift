import Compute
import OperationSamples
import TestSupport
import Testing

struct GateTests {
  struct Case: OperationCase {
    enum Derivative: Sendable { case none, own, inPlace }

    let activation: Activation
    let input: HostMatrix
    let derivative: Derivative
    let operation = OperationName.gate

    init(_ activation: Activation, _ rows: Int, _ columns: Int, _ derivative: Derivative = .own) {
      self.init(
        activation, input: .random(rows, 2 * columns, seed: 43, deviation: 2), derivative)
    }

    init(_ activation: Activation, input: HostMatrix, _ derivative: Derivative = .own) {
      self.activation = activation
      self.input = input
      self.derivative = derivative
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = derivative == .inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = try stage.output(rows: input.rows, columns: input.columns / 2)
      let derivative: Matrix<B.Buffer>? =
        switch self.derivative {
        case .none: nil
        case .own: try stage.output(rows: input.rows, columns: input.columns, "derivative")
        case .inPlace: input
        }
      try stage.backend.gate(Gate(activation, input: input, output: output, derivative: derivative))
      let half = output.columns
      return try [stage.read(output)]
        + (derivative.map {
          try [stage.read($0.columns(0..<half)), stage.read($0.columns(half..<2 * half))]
        } ?? [])
    }

    func expected() -> [DoubleMatrix] {
      let (output, slopes) = Oracle.gate(activation, input.doubles)
      let half = output.columns
      return [output] + (derivative == .none ? [] : [slopes.columns(0..<half), slopes.columns(half..<2 * half)])
    }

    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self { Self(activation, input: input.rows(index..<index + 1), derivative) }
    var testDescription: String { "\(activation) \(input.rows)×\(input.columns), derivative \(derivative)" }
  }

  static let cases =
    EdgeSizes.rows.map { Case(.silu, $0.rows, $0.columns) }
    + [(1, 1), (3, 7), (2, 17), (3, 33), (2, 2049)].flatMap { rows, columns in
      [Case(.silu, rows, columns, .none), Case(.silu, rows, columns, .inPlace)]
    }
    + Activation.allCases.map { Case($0, 3, 19, .inPlace) } + Activation.allCases.map { Case($0, 3, 19) }

  @Test(arguments: TestBackend.available, cases)
  func gate(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func gateRowsAreIndependent(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Case(.silu, 7, 33))
    try checkSchedules(backend, [Case(.silu, 131, 67, .inPlace), Case(.gelu, 2, 5)])
  }

  /// Gates so large that the activation is 0 or the gate itself.
  @Test(arguments: TestBackend.available, Activation.allCases)
  func gatesOfEveryMagnitude(_ backend: TestBackend, _ activation: Activation) throws {
    let gates: [Float] = [0, -0.0, 1e-30, -1e-30, 88, -88, 89, -89, 104, -104, 1e4, -1e4, 1e18, -1e18, 3e38, -3e38]
    let values = gates.indices.map { Float($0 % 3 == 0 ? 0.5 : -1) }
    let test = Case(activation, input: HostMatrix(rows: 1, columns: 2 * gates.count, values: gates + values))
    func run<B: Backend>(_ backend: B) throws -> [HostMatrix] { try test.run(on: Stage(backend, layout: .tight)) }
    let results = try run(backend.open())
    for (result, expected) in zip(results, test.expected()) {
      for (column, gate) in gates.enumerated() {
        let error = abs(Double(result.values[column]) - expected.values[column])
        // The tail of GELU is nothing beside the gate, not beside 1.
        let scale = activation == .gelu ? abs(Double(gate)) : abs(expected.values[column])
        #expect(error <= 1e-5 * max(1, scale), "\(gate): \(result.values[column])")
      }
    }
  }
}
