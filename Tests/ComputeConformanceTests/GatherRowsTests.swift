import Compute
import TestSupport
import Testing

struct GatherRowsTests {
  static let cases: [(rows: Int, columns: Int, rowNumbers: [Int])] = [
    (1, 1, [0]), (5, 7, [4, 3, 2, 1, 0]), (7, 16, [0, 3, 6]), (3, 17, [2, 2, 2, 2]), (13, 33, [12, 0, 12, 5]),
    (50, 12, Array(0..<50)), (2, 97, [1, 0, 1, 1, 0, 0, 1]),
  ]

  @Test(arguments: TestBackend.available, cases.indices)
  func gatherRows(_ backend: TestBackend, _ index: Int) throws {
    let (rows, columns, rowNumbers) = Self.cases[index]
    let source = HostMatrix.random(rows, columns, seed: 70)
    func run<B: Backend>(_ backend: B, _ layout: Layout) throws -> HostMatrix {
      try perform(on: backend, layout: layout) { stage in
        let output = try stage.output(rows: rowNumbers.count, columns: columns)
        try backend.gatherRows(GatherRows(source: stage.input(source), rowNumbers: rowNumbers, output: output))
        return [try stage.read(output)]
      }[0]
    }
    // Rows are moved, not computed: the oracle's values are these floats exactly.
    let expected = Oracle.gatherRows(source.doubles, rowNumbers: rowNumbers).floats
    for layout in Layout.all { expectSameBits(try run(backend.open(), layout), expected, "\(layout)") }
  }
}
