import Compute
import TestSupport
import Testing

/// The operations that take float32 and float64, in float64.
struct Float64Tests {
  struct Norm: Float64Case {
    let input, scale, shift: DoubleMatrix
    let keepsStatistics: Bool

    init(_ rows: Int, _ columns: Int, keepsStatistics: Bool) {
      // A mean beside which the variance cancels where it is taken of squares.
      input = DoubleMatrix.random(rows, columns, seed: 420).map { 100 + $0 }
      scale = .random(1, columns, seed: 421)
      shift = .random(1, columns, seed: 422)
      self.keepsStatistics = keepsStatistics
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let output = try stage.output(rows: input.rows, columns: input.columns, of: .float64)
      let statistics = try keepsStatistics ? stage.output(rows: input.rows, columns: 2, of: .float64) : nil
      try stage.backend.layerNorm(
        LayerNorm(
          input: stage.input(input), scale: stage.input(scale), shift: stage.input(shift), epsilon: 0.25,
          output: output, statistics: statistics))
      return try ([output] + [statistics].compactMap { $0 }).map { try stage.readDoubles($0) }
    }

    func expected() -> [DoubleMatrix] {
      let (output, statistics) = Oracle.layerNorm(input, scale: scale, shift: shift, epsilon: 0.25)
      return keepsStatistics ? [output, statistics] : [output]
    }

    var testDescription: String { "\(input.rows)×\(input.columns)\(keepsStatistics ? " statistics" : "")" }
  }

  @Test(arguments: TestBackend.float64, [(1, 2), (5, 7), (3, 129), (13, 300)])
  func layerNorm(_ backend: TestBackend, _ size: (Int, Int)) throws {
    for keeps in [false, true] {
      try checkFloat64(backend.open(), Norm(size.0, size.1, keepsStatistics: keeps))
    }
  }

  struct Rows: Float64Case {
    let input: DoubleMatrix
    let factor: Double
    let inPlace: Bool

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns, of: .float64)
      try stage.backend.softmax(Softmax(input: input, factor: factor, output: output))
      return [try stage.readDoubles(output)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.softmax(input.map { factor * $0 })] }
    var testDescription: String { "\(input.rows)×\(input.columns) \(factor)\(inPlace ? " in place" : "")" }
  }

  @Test(arguments: TestBackend.float64, [(1, 1), (5, 7), (3, 129), (13, 197)])
  func softmax(_ backend: TestBackend, _ size: (Int, Int)) throws {
    for (factor, inPlace) in [(1, false), (1 / 80.0.squareRoot(), true), (3, false)] {
      try checkFloat64(
        backend.open(),
        Rows(
          input: DoubleMatrix.random(size.0, size.1, seed: 423, deviation: 20), factor: factor, inPlace: inPlace))
    }
  }

  struct Function: Float64Case {
    let activation: Activation
    let input: DoubleMatrix
    let keepsDerivative: Bool

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let input = keepsDerivative ? try stage.input(self.input) : try stage.inPlace(self.input)
      let output = keepsDerivative ? try stage.output(rows: input.rows, columns: input.columns, of: .float64) : input
      let derivative = keepsDerivative ? try stage.output(rows: input.rows, columns: input.columns, of: .float64) : nil
      try stage.backend.activate(Activate(activation, input: input, output: output, derivative: derivative))
      return try ([output] + [derivative].compactMap { $0 }).map { try stage.readDoubles($0) }
    }

    func expected() -> [DoubleMatrix] {
      let value = input.map { Oracle.activation(activation, $0) }
      return keepsDerivative ? [value, input.map { Oracle.activationDerivative(activation, $0) }] : [value]
    }

    var testDescription: String { "\(activation) \(input.rows)×\(input.columns)\(keepsDerivative ? " slope" : "")" }
  }

  @Test(arguments: TestBackend.float64, Activation.allCases)
  func activate(_ backend: TestBackend, _ activation: Activation) throws {
    for (rows, columns) in [(1, 1), (5, 7), (3, 129)] {
      for keeps in [false, true] {
        let input = DoubleMatrix.random(rows, columns, seed: 424, deviation: 4)
        try checkFloat64(
          backend.open(), Function(activation: activation, input: input, keepsDerivative: keeps))
      }
    }
  }

  struct Sum: Float64Case {
    let input, addend: DoubleMatrix

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let output = try stage.output(rows: input.rows, columns: input.columns, of: .float64)
      try stage.backend.addRows(
        AddRows(input: stage.input(input), addend: stage.input(addend, "addend"), output: output))
      return [try stage.readDoubles(output)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.addRows(input, addend: addend)] }
    var testDescription: String { "\(input.rows)×\(input.columns) plus \(addend.rows) rows" }
  }

  @Test(arguments: TestBackend.float64, [(1, 1, 1), (14, 17, 7), (11, 70, 4)])
  func addRows(_ backend: TestBackend, _ size: (Int, Int, Int)) throws {
    try checkFloat64(
      backend.open(),
      Sum(input: .random(size.0, size.1, seed: 425), addend: .random(size.2, size.1, seed: 426)))
  }

  struct Patches: Float64Case {
    let pixels: DoubleMatrix

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let output = try stage.output(rows: 3 * 7, columns: 3 * 9, of: .float64)
      try stage.backend.patchify(
        Patchify(pixels: stage.input(pixels), height: 6, width: 9, patch: 3, leadingRows: 1, patches: output))
      return [try stage.readDoubles(output)]
    }

    func expected() -> [DoubleMatrix] {
      [Oracle.patchify(pixels, height: 6, width: 9, patch: 3, leadingRows: 1)]
    }

    var testDescription: String { "\(pixels.rows) images" }
  }

  @Test(arguments: TestBackend.float64)
  func patchify(_ backend: TestBackend) throws {
    try checkFloat64(backend.open(), Patches(pixels: .random(3, 3 * 54, seed: 427)))
  }

  /// Values that float32 does not hold, there and back.
  struct Constant: Float64Case {
    let rows, columns: Int

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let output = try stage.output(rows: rows, columns: columns, of: .float64)
      try stage.backend.fill(Fill(output, with: 1.25))
      return [try stage.readDoubles(output), try stage.readDoubles(stage.input(.random(rows, columns, seed: 428)))]
    }

    func expected() -> [DoubleMatrix] {
      [DoubleMatrix(rows: rows, columns: columns, repeating: 1.25), .random(rows, columns, seed: 428)]
    }

    var testDescription: String { "\(rows)×\(columns)" }
  }

  @Test(arguments: TestBackend.float64, [(1, 1), (5, 7), (13, 70)])
  func fillAndMove(_ backend: TestBackend, _ size: (Int, Int)) throws {
    try checkFloat64(backend.open(), Constant(rows: size.0, columns: size.1))
  }

  @Test(arguments: TestBackend.float64)
  func schedules(_ backend: TestBackend) throws {
    try checkFloat64Schedules(backend, Norm(131, 67, keepsStatistics: true))
    try checkFloat64Schedules(backend, Rows(input: .random(131, 67, seed: 429), factor: 0.5, inPlace: false))
  }
}
