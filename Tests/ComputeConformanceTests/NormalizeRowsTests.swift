import Compute
import OperationSamples
import TestSupport
import Testing

struct NormalizeRowsTests {
  struct Forward: OperationCase {
    let input: HostMatrix
    let inPlace: Bool
    let operation = OperationName.normalizeRows

    init(_ rows: Int, _ columns: Int, inPlace: Bool = false, deviation: Double = 1) {
      self.init(input: .random(rows, columns, seed: 80, deviation: deviation), inPlace: inPlace)
    }

    init(input: HostMatrix, inPlace: Bool = false) {
      self.input = input
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns)
      let norms = try stage.output(rows: input.rows, columns: 1, "norms")
      try stage.backend.normalizeRows(NormalizeRows(input: input, output: output, norms: norms))
      return try [stage.read(output), stage.read(norms)]
    }

    func expected() -> [DoubleMatrix] {
      let (output, norms) = Oracle.normalizeRows(input.doubles)
      return [output, norms]
    }

    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self { Self(input: input.rows(index..<index + 1), inPlace: inPlace) }
    var testDescription: String { "\(input.rows)×\(input.columns)\(inPlace ? " in place" : "")" }
  }

  static let cases =
    EdgeSizes.rows.map { Forward($0.rows, $0.columns) }
    + [Forward(5, 33, inPlace: true), Forward(3, 65, deviation: 1e-6), Forward(3, 65, deviation: 1e6)]

  @Test(arguments: TestBackend.available, cases)
  func normalizeRows(_ backend: TestBackend, _ test: Forward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func normalizeRowsIsIndependentByRow(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Forward(13, 33))
    try checkSchedules(backend, [Forward(131, 67)])
  }

  @Test(arguments: TestBackend.available)
  func normalizeRowsOfAZeroRow(_ backend: TestBackend) throws {
    var input = HostMatrix.random(3, 37, seed: 81)
    for column in 0..<37 { input[1, column] = 0 }
    let test = Forward(input: input)
    func run<B: Backend>(_ backend: B) throws -> [HostMatrix] { try test.run(on: Stage(backend, layout: .padded)) }
    let results = try run(backend.open())
    #expect(results[0].rows(1..<2).values.allSatisfy { $0 == 0 })
    #expect(results[1][1, 0] == 1e-12)
    try checkDefinition(backend.open(), test)
  }

  struct Backward: OperationCase {
    let directions: HostMatrix
    let normalized: HostMatrix
    let norms: HostMatrix
    let operation = OperationName.normalizeRowsBackward

    init(images: Int, prompts: Int, columns: Int) {
      let (output, norms) = Oracle.normalizeRows(.random(images, columns, seed: 82, deviation: 3))
      directions = Oracle.normalizeRows(.random(prompts, columns, seed: 83)).output.floats
      normalized = output.floats
      self.norms = norms.floats
    }

    private init(_ whole: Backward, image: Int, prompt: Int) {
      directions = whole.directions.rows(prompt..<prompt + 1)
      normalized = whole.normalized.rows(image..<image + 1)
      norms = whole.norms.rows(image..<image + 1)
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let gradient = try stage.output(rows: pieces, columns: normalized.columns)
      try stage.backend.normalizeRowsBackward(
        NormalizeRowsBackward(
          directions: stage.input(directions, "directions"), normalized: stage.input(normalized),
          norms: stage.input(norms, "norms"), gradient: gradient))
      return [try stage.read(gradient)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.normalizeRowsBackward(
          directions: directions.doubles, normalized: normalized.doubles, norms: norms.doubles)
      ]
    }

    var pieces: Int { normalized.rows * directions.rows }
    func piece(_ index: Int) -> Self {
      Self(self, image: index / directions.rows, prompt: index % directions.rows)
    }
    var testDescription: String {
      "\(normalized.rows) images, \(directions.rows) prompts, \(normalized.columns) columns"
    }
  }

  static let backwardCases = [
    (1, 1, 1), (1, 1, 5), (2, 3, 7), (1, 5, 16), (3, 1, 17), (2, 2, 31), (3, 4, 33), (1, 2, 513), (5, 7, 12),
  ].map { Backward(images: $0.0, prompts: $0.1, columns: $0.2) }

  @Test(arguments: TestBackend.available, backwardCases)
  func normalizeRowsBackward(_ backend: TestBackend, _ test: Backward) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func normalizeRowsBackwardPromptsAreIndependent(_ backend: TestBackend) throws {
    let test = Backward(images: 5, prompts: 3, columns: 67)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test])
  }
}
