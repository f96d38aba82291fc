import Compute
import OperationSamples
import TestSupport
import Testing

struct FoldedNormBackwardTests {
  struct Case: OperationCase {
    let product: HostMatrix
    let slopes: HostMatrix
    let scales: HostMatrix
    let projected: HostMatrix
    let statistics: HostMatrix
    let addend: HostMatrix
    let stack: RowStack
    let inPlace: Bool
    let operation = OperationName.foldedNormBackward

    init(images: Int, prompts: Int, tokens: Int, hidden: Int, columns: Int, inPlace: Bool = false) {
      let rows = images * tokens
      product = .random(rows * prompts, columns, seed: 40)
      slopes = .random(rows, hidden, seed: 41)
      scales = .random(images * prompts, hidden, seed: 42)
      projected = .random(rows, columns, seed: 43)
      // The mean is not read.
      var statistics = HostMatrix.random(rows, 2, seed: 44, mean: 1, deviation: 0.3)
      for row in 0..<rows { statistics[row, 0] = .nan }
      self.statistics = statistics
      addend = .random(images * prompts, columns, seed: 45)
      stack = RowStack(copies: prompts, rows: tokens)
      self.inPlace = inPlace
    }

    private init(_ whole: Case, piece: Int) {
      let (image, images) = (piece / whole.stack.copies, whole.pieces / whole.stack.copies)
      product = whole.product.piece(piece, of: whole.pieces)
      slopes = whole.slopes.piece(image, of: images)
      scales = whole.scales.piece(piece, of: whole.pieces)
      projected = whole.projected.piece(image, of: images)
      statistics = whole.statistics.piece(image, of: images)
      addend = whole.addend.piece(piece, of: whole.pieces)
      stack = RowStack(copies: 1, rows: whole.stack.rows)
      inPlace = whole.inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let product = inPlace ? try stage.inPlace(self.product) : try stage.input(self.product, "product")
      let output = inPlace ? product : try stage.output(rows: product.rows, columns: product.columns)
      try stage.backend.foldedNormBackward(
        FoldedNormBackward(
          product: product, slopes: stage.input(slopes, "slopes"), scales: stage.input(scales, "scales"),
          projected: stage.input(projected, "projected"), statistics: stage.input(statistics, "statistics"),
          addend: stage.input(addend, "addend"), stack: stack, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.foldedNormBackward(
          product: product.doubles, slopes: slopes.doubles, scales: scales.doubles, projected: projected.doubles,
          statistics: statistics.doubles, addend: addend.doubles, stack: stack)
      ]
    }

    var pieces: Int { addend.rows }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(pieces / stack.copies) images, \(stack.copies) prompts, \(stack.rows) tokens, \(slopes.columns) hidden, "
        + "\(product.columns) columns" + (inPlace ? " in place" : "")
    }
  }

  static let cases = [
    Case(images: 1, prompts: 1, tokens: 1, hidden: 1, columns: 1),
    Case(images: 1, prompts: 1, tokens: 3, hidden: 16, columns: 8),
    Case(images: 2, prompts: 3, tokens: 5, hidden: 53, columns: 13),
    Case(images: 3, prompts: 2, tokens: 1, hidden: 31, columns: 33, inPlace: true),
    Case(images: 1, prompts: 5, tokens: 7, hidden: 260, columns: 65),
    Case(images: 2, prompts: 2, tokens: 97, hidden: 17, columns: 257, inPlace: true),
  ]

  @Test(arguments: TestBackend.available, cases)
  func foldedNormBackward(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func foldedNormBackwardPromptsAreIndependent(_ backend: TestBackend) throws {
    let test = Case(images: 3, prompts: 2, tokens: 5, hidden: 67, columns: 33)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Case(images: 2, prompts: 3, tokens: 67, hidden: 29, columns: 19)])
  }
}
