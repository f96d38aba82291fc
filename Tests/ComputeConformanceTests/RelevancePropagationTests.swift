import Compute
import TestSupport
import Testing

/// The operations that relevance propagation alone has.
struct RelevancePropagationTests {
  enum Part: CaseIterable {
    case all, positive, negative

    func of<Buffer>(_ matrix: Matrix<Buffer>, transposed: Bool = false) -> PartProduct<Buffer>.Operand {
      switch self {
      case .all: .init(matrix, .all, transposed: transposed)
      case .positive: .init(matrix, .positive, transposed: transposed)
      case .negative: .init(matrix, .negative, transposed: transposed)
      }
    }

    func of(_ matrix: DoubleMatrix) -> DoubleMatrix {
      matrix.map { self == .all || ($0 > 0) == (self == .positive) ? $0 : 0 }
    }
  }

  struct Product: Float64Case {
    var left, right: DoubleMatrix
    var parts = (left: Part.all, right: Part.all, scale: Part.all)
    var transposed = (left: false, right: false)
    var factor = 1.0
    var scale, bias, initial: DoubleMatrix?

    init(_ rows: Int, _ inner: Int, _ columns: Int, _ change: (inout Self) -> Void = { _ in }) {
      left = .random(rows, inner, seed: 400)
      right = .random(inner, columns, seed: 401)
      change(&self)
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let output =
        try initial.map { try stage.inPlace($0) }
        ?? stage.output(rows: left.rows, columns: right.columns, of: .float64)
      try stage.backend.partProduct(
        PartProduct(
          parts.left.of(stage.input(transposed.left ? left.transposed : left, "left"), transposed: transposed.left),
          parts.right.of(
            stage.input(transposed.right ? right.transposed : right, "right"), transposed: transposed.right),
          factor: factor, scale: scale.map { try parts.scale.of(stage.input($0, "scale")) },
          bias: bias.map { try stage.input($0, "bias") }, accumulates: initial != nil, output: output))
      return [try stage.readDoubles(output)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.partProduct(
          parts.left.of(left), parts.right.of(right), factor: factor, scale: scale.map { parts.scale.of($0) },
          bias: bias, initial: initial)
      ]
    }

    var testDescription: String {
      "\(left.rows)×\(left.columns)×\(right.columns) \(parts) \(transposed)"
        + (scale == nil ? "" : " scale") + (bias == nil ? "" : " bias") + (initial == nil ? "" : " accumulates")
    }
  }

  static let products =
    [(1, 1, 1), (3, 5, 2), (17, 64, 33), (2, 131, 16), (13, 7, 65), (9, 300, 31), (40, 3, 8)].flatMap { size in
      [(false, false), (false, true), (true, false), (true, true)].map { transposed in
        Product(size.0, size.1, size.2) { $0.transposed = transposed }
      }
    }
    + Part.allCases.flatMap { left in
      Part.allCases.map { right in
        Product(15, 37, 18) { product in
          product.parts = (left, right, left)
          product.transposed = (right == .negative, left == .positive)
          product.scale = .random(5, 18, seed: 402)
        }
      }
    }
    + [
      Product(7, 9, 19) { $0.bias = .random(1, 19, seed: 403) },
      Product(7, 9, 19) { $0.initial = .random(7, 19, seed: 404) },
      Product(12, 9, 16) { product in
        product.factor = 0.3
        product.scale = .random(4, 16, seed: 405)
        product.parts.scale = .negative
        product.bias = .random(1, 16, seed: 406)
        product.initial = .random(12, 16, seed: 407)
      },
    ]

  @Test(arguments: TestBackend.float64, products)
  func partProduct(_ backend: TestBackend, _ test: Product) throws {
    try checkFloat64(backend.open(), test)
  }

  struct Share: Float64Case {
    let relevance, total: DoubleMatrix
    var value, initial: DoubleMatrix?
    let inPlace: Bool

    init(
      _ rows: Int, _ columns: Int, prompts: Int, value: Bool = true, accumulates: Bool = false, inPlace: Bool = false
    ) {
      relevance = .random(rows * prompts, columns, seed: 410)
      // Zeros, and what the guard makes zero.
      var total = DoubleMatrix.random(rows, columns, seed: 411)
      for index in total.values.indices where index % 5 == 2 { total.values[index] = index % 2 == 0 ? 0 : -1e-9 }
      self.total = total
      self.value = value ? .random(rows, columns, seed: 412) : nil
      initial = accumulates ? .random(rows * prompts, columns, seed: 413) : nil
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [DoubleMatrix] {
      let relevance = inPlace ? try stage.inPlace(self.relevance) : try stage.input(self.relevance)
      let output =
        inPlace
        ? relevance
        : try initial.map { try stage.inPlace($0) }
          ?? stage.output(rows: relevance.rows, columns: relevance.columns, of: .float64)
      try stage.backend.relevanceShare(
        RelevanceShare(
          of: relevance, total: stage.input(total, "total"), value: value.map { try stage.input($0, "value") },
          accumulates: initial != nil, output: output))
      return [try stage.readDoubles(output)]
    }

    func expected() -> [DoubleMatrix] {
      [Oracle.relevanceShare(relevance, total: total, value: value, initial: initial)]
    }

    var testDescription: String {
      "\(relevance.rows)×\(relevance.columns) at \(total.rows) rows" + (value == nil ? "" : " value")
        + (initial == nil ? "" : " accumulates") + (inPlace ? " in place" : "")
    }
  }

  static let shares = [
    Share(1, 1, prompts: 1), Share(5, 7, prompts: 3), Share(3, 17, prompts: 2, value: false),
    Share(13, 33, prompts: 2, accumulates: true), Share(4, 70, prompts: 5, value: false, inPlace: true),
    Share(197, 19, prompts: 1, value: false, accumulates: true), Share(3, 31, prompts: 3, inPlace: true),
  ]

  @Test(arguments: TestBackend.float64, shares)
  func relevanceShare(_ backend: TestBackend, _ test: Share) throws {
    try checkFloat64(backend.open(), test)
  }

  @Test(arguments: TestBackend.float64)
  func schedules(_ backend: TestBackend) throws {
    try checkFloat64Schedules(backend, Product(131, 40, 19))
    try checkFloat64Schedules(backend, Product(7, 300, 100) { $0.transposed = (true, true) })
    try checkFloat64Schedules(backend, Share(67, 33, prompts: 3))
  }

  /// What is not a number stays so, whichever part of it is read.
  @Test(arguments: TestBackend.float64, Part.allCases)
  func notANumberIsSeen(_ backend: TestBackend, _ part: Part) throws {
    let test = Product(3, 5, 4) { product in
      product.parts = (part, part, .all)
      product.left[1, 2] = .nan
    }
    func run<B: Backend>(_ backend: B) throws -> DoubleMatrix {
      try test.run(on: Stage(backend, layout: .tight))[0]
    }
    let result = try run(backend.open())
    for row in 0..<3 {
      for column in 0..<4 { #expect(result[row, column].isNaN == (row == 1)) }
    }
  }
}
