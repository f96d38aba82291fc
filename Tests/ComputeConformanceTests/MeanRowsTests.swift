import Compute
import TestSupport
import Testing

struct MeanRowsTests {
  struct Case: OperationCase {
    let input: HostMatrix
    let rowsPerGroup: Int
    let operation = OperationName.meanRows

    init(groups: Int, rowsPerGroup: Int, columns: Int) {
      self.init(input: .random(groups * rowsPerGroup, columns, seed: 60, mean: 0.3), rowsPerGroup: rowsPerGroup)
    }

    private init(input: HostMatrix, rowsPerGroup: Int) {
      self.input = input
      self.rowsPerGroup = rowsPerGroup
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let output = try stage.output(rows: pieces, columns: input.columns)
      try stage.backend.meanRows(MeanRows(input: stage.input(input), rowsPerGroup: rowsPerGroup, output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.meanRows(input.doubles, rowsPerGroup: rowsPerGroup)] }
    var pieces: Int { input.rows / rowsPerGroup }
    func piece(_ index: Int) -> Self {
      Self(input: input.piece(index, of: pieces), rowsPerGroup: rowsPerGroup)
    }
    var testDescription: String { "\(pieces) groups of \(rowsPerGroup) rows of \(input.columns)" }
  }

  static let cases = [
    (1, 1, 1), (1, 5, 7), (3, 1, 16), (2, 7, 17), (5, 3, 31), (2, 13, 33), (3, 50, 12), (2, 197, 65), (1, 257, 15),
  ].map { Case(groups: $0.0, rowsPerGroup: $0.1, columns: $0.2) }

  @Test(arguments: TestBackend.available, cases)
  func meanRows(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func meanRowsGroupsAreIndependent(_ backend: TestBackend) throws {
    let test = Case(groups: 5, rowsPerGroup: 50, columns: 67)
    try checkIndependence(backend.open(), test)
    try checkSchedules(backend, [test, Case(groups: 1, rowsPerGroup: 257, columns: 97)])
  }

  /// Ascending order is part of the definition: small rows before a large one survive, after it they are lost.
  @Test(arguments: TestBackend.available)
  func meanRowsAddsInAscendingOrder(_ backend: TestBackend) throws {
    func means<B: Backend>(_ backend: B, _ rows: [Float]) throws -> [Float] {
      let input = HostMatrix(rows: rows.count, columns: 19, values: rows.flatMap { [Float](repeating: $0, count: 19) })
      let output = try backend.makeMatrix(rows: 1, columns: 19)
      try backend.meanRows(MeanRows(input: input.upload(to: backend), rowsPerGroup: rows.count, output: output))
      return try HostMatrix.download(output, from: backend).values
    }
    // 2²⁴ + 1 rounds to 2²⁴ in float32, 2²⁴ + 2 is exact.
    let large: Float = 0x1p24
    let smallFirst = try means(backend.open(), [1, 1, large, -large])
    let largeFirst = try means(backend.open(), [large, 1, 1, -large])
    #expect(smallFirst.allSatisfy { $0 == 0.5 })
    #expect(largeFirst.allSatisfy { $0 == 0 })
  }
}
