import Compute
import TestSupport
import Testing

struct AddRowsTests {
  struct Case: OperationCase {
    let input: HostMatrix
    let addend: HostMatrix
    let inPlace: Bool
    let operation = OperationName.addRows

    init(_ rows: Int, _ columns: Int, addendRows: Int, inPlace: Bool = false) {
      self.init(
        input: .random(rows, columns, seed: 50), addend: .random(addendRows, columns, seed: 51), inPlace: inPlace)
    }

    private init(input: HostMatrix, addend: HostMatrix, inPlace: Bool) {
      self.input = input
      self.addend = addend
      self.inPlace = inPlace
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let input = inPlace ? try stage.inPlace(self.input) : try stage.input(self.input)
      let output = inPlace ? input : try stage.output(rows: input.rows, columns: input.columns)
      try stage.backend.addRows(AddRows(input: input, addend: stage.input(addend, "addend"), output: output))
      return [try stage.read(output)]
    }

    func expected() -> [DoubleMatrix] { [Oracle.addRows(input.doubles, addend: addend.doubles)] }
    var pieces: Int { input.rows }
    func piece(_ index: Int) -> Self {
      let addendRow = index % addend.rows
      return Self(
        input: input.rows(index..<index + 1), addend: addend.rows(addendRow..<addendRow + 1), inPlace: inPlace)
    }
    var testDescription: String {
      "\(input.rows)×\(input.columns) plus \(addend.rows) rows\(inPlace ? " in place" : "")"
    }
  }

  /// As many rows, a divisor of them, one, and a number that does not divide them.
  static let cases =
    [(1, 1, 1), (5, 7, 5), (6, 16, 3), (14, 17, 7), (13, 31, 1), (11, 33, 4), (3, 12, 8), (197, 13, 197)].map {
      Case($0.0, $0.1, addendRows: $0.2)
    } + [Case(10, 33, addendRows: 5, inPlace: true), Case(7, 19, addendRows: 7, inPlace: true)]

  @Test(arguments: TestBackend.available, cases)
  func addRows(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available)
  func addRowsIsIndependentByRow(_ backend: TestBackend) throws {
    try checkIndependence(backend.open(), Case(11, 33, addendRows: 4))
    try checkSchedules(backend, [Case(197, 67, addendRows: 5)])
  }
}
