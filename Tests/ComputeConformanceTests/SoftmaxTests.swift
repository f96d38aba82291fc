import Compute
import OperationSamples
import TestSupport
import Testing

struct SoftmaxTests {
  struct Forward: OperationCase {
    let input: HostMatrix
    let inPlace: Bool
    let factor: Double
    let operation = OperationName.softmax

    init(_ rows: Int, _ columns: Int, inPlace: Bool = false, deviation: Double = 2, factor: Double = 1) {
      self.init(input: .random(rows, columns, seed: 20, deviation: deviation), inPlace: inPlace, factor: factor)
    }

    init(input: HostMatrix, inPlace: Bool = false, factor: Double = 1) {
      self.input = input
      self.inPlace = inPlace
      self.factor = factor
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns)
      try stage.backend.softmax(Softmax(input: input, factor: factor, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.softmax(input.doubles.map { factor * $0 })] }
    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self {
      Self(input: input.rows(index..<index + 1), inPlace: inPlace, factor: factor)
    }
    var testDescription: String {
      "\(input.rows)×\(input.columns)\(factor == 1 ? "" : " by \(factor)")\(inPlace ? " in place" : "")"
    }
  }

  static let cases =
    EdgeSizes.rows.map { Forward($0.rows, $0.columns) } + [
      Forward(5, 33, inPlace: true), Forward(97, 67), Forward(3, 1025, deviation: 12), Forward(5, 37, factor: 0.125),
    ]

  @Test(arguments: TestBackend.available, cases)
  func softmax(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func softmaxRowsAreIndependent(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Forward(13, 33))
    try checkSchedules(backend, [Forward(131, 67), Forward(2, 5)])
  }

  @Test(arguments: TestBackend.available)
  func softmaxOfExtremeLogits(_ backend: TestBackend) throws {
    func output(_ values: [Float]) throws -> [Float] {
      let test = Forward(input: HostMatrix(rows: 1, columns: values.count, values: values))
      try checkDefinition(backend.open(), test)
      func run<B: Backend>(_ backend: B) throws -> [Float] {
        try test.run(on: Stage(backend, layout: .tight))[0].values
      }
      return try run(backend.open())
    }
    // exp(89) is beyond float32: only the distance from the largest may be exponentiated.
    #expect(try output([1e4, 1e4, 1e4, 1e4]) == [0.25, 0.25, 0.25, 0.25])
    #expect(try output([-1e30, -1e30]) == [0.5, 0.5])
    #expect(try output([3e38, -3e38, 0]) == [1, 0, 0])
    #expect(try output([0, -200, -1000]) == [1, 0, 0])
    _ = try output([500, 499, 480, 300, 500] + [Float](repeating: 490, count: 30))
    _ = try output([Float](repeating: -7.25, count: 37))
    // A masked key's logit: the others share the whole probability.
    #expect(try output([1, -.infinity, 1]) == [0.5, 0, 0.5])
  }

  struct Backward: OperationCase {
    let upstream: HostMatrix
    let output: HostMatrix
    let inPlace: Bool
    let operation = OperationName.softmaxBackward

    init(_ rows: Int, _ columns: Int, inPlace: Bool = false) {
      upstream = .random(rows, columns, seed: 21)
      output = Oracle.softmax(.random(rows, columns, seed: 22, deviation: 2)).floats
      self.inPlace = inPlace
    }

    private init(upstream: HostMatrix, output: HostMatrix, inPlace: Bool) {
      self.upstream = upstream
      self.output = output
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let upstream = inPlace ? try stage.inPlace(self.upstream) : try stage.input(self.upstream)
      let gradient = inPlace ? upstream : try stage.output(rows: upstream.rows, columns: upstream.columns)
      try stage.backend.softmaxBackward(
        SoftmaxBackward(upstream: upstream, output: stage.input(output), gradient: gradient))
      return [try stage.read(gradient)]
    }

    func expected() -> [DoubleMatrix] {
      [Oracle.softmaxBackward(upstream: upstream.doubles, output: output.doubles)]
    }

    var pieces: Int { upstream.rows }
    func piece(_ index: Int) -> Self {
      let row = index..<index + 1
      return Self(upstream: upstream.rows(row), output: output.rows(row), inPlace: inPlace)
    }
    var testDescription: String { "\(upstream.rows)×\(upstream.columns)\(inPlace ? " in place" : "")" }
  }

  static let backwardCases =
    EdgeSizes.rows.map { Backward($0.rows, $0.columns) }
    + [Backward(5, 33, inPlace: true), Backward(97, 67)]

  @Test(arguments: TestBackend.available, backwardCases)
  func softmaxBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func softmaxBackwardRowsAreIndependent(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Backward(13, 33))
    try checkSchedules(backend, [Backward(131, 67), Backward(2, 5)])
  }
}
