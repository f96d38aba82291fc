import Compute
import Foundation
import OperationSamples
import TestSupport
import Testing

struct RotateTests {
  struct Case: OperationCase {
    let matrix: HostMatrix
    let heads: Int
    let tokens: Int
    let leadingRows: Int
    let cosines: HostMatrix
    let sines: HostMatrix
    let pairing: RotaryPairing
    let turnsBack: Bool
    let operation = OperationName.rotate

    init(
      sequences: Int, tokens: Int, leadingRows: Int, heads: Int, pairs: Int, _ pairing: RotaryPairing,
      turnsBack: Bool = false
    ) {
      matrix = .random(sequences * tokens, 2 * heads * pairs, seed: 44)
      self.heads = heads
      self.tokens = tokens
      self.leadingRows = leadingRows
      let angles = DoubleMatrix.random(tokens - leadingRows, pairs, seed: 45, deviation: 3)
      cosines = angles.map { cos($0) }.floats
      sines = angles.map { sin($0) }.floats
      self.pairing = pairing
      self.turnsBack = turnsBack
    }

    private init(_ whole: Case, piece: Int) {
      matrix = whole.matrix.piece(piece, of: whole.pieces)
      heads = whole.heads
      tokens = whole.tokens
      leadingRows = whole.leadingRows
      cosines = whole.cosines
      sines = whole.sines
      pairing = whole.pairing
      turnsBack = whole.turnsBack
    }

    func operation<Buffer>(
      on matrix: Matrix<Buffer>, cosines: Matrix<Buffer>, sines: Matrix<Buffer>, turnsBack: Bool
    ) -> Rotate<Buffer> {
      Rotate(
        matrix, heads: heads, tokens: tokens, leadingRows: leadingRows, cosines: cosines, sines: sines,
        pairing: pairing, turnsBack: turnsBack)
    }

    func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix] {
      let matrix = try stage.inPlace(self.matrix)
      try stage.backend.rotate(
        operation(
          on: matrix, cosines: stage.input(cosines, "cosines"), sines: stage.input(sines, "sines"),
          turnsBack: turnsBack))
      return [try stage.read(matrix)]
    }

    func expected() -> [DoubleMatrix] {
      [
        Oracle.rotate(
          matrix.doubles, heads: heads, tokens: tokens, leadingRows: leadingRows, cosines: cosines.doubles,
          sines: sines.doubles, pairing: pairing, turnsBack: turnsBack)
      ]
    }

    var pieces: Int { matrix.rows / tokens }
    func piece(_ index: Int) -> Self { Self(self, piece: index) }
    var testDescription: String {
      "\(pieces) sequences of \(tokens) tokens, \(leadingRows) leading, \(heads) heads of \(matrix.columns / heads), "
        + "\(pairing)\(turnsBack ? " back" : "")"
    }
  }

  /// Pairs of a head around the widths of vectors, odd ones among them.
  static let cases = RotaryPairing.allCases.flatMap { pairing in
    [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 47, 48, 49].map {
      Case(sequences: 1, tokens: 3, leadingRows: 1, heads: 2, pairs: $0, pairing, turnsBack: $0 % 3 == 0)
    } + [
      Case(sequences: 1, tokens: 1, leadingRows: 0, heads: 1, pairs: 1, pairing),
      Case(sequences: 3, tokens: 5, leadingRows: 0, heads: 3, pairs: 7, pairing),
      Case(sequences: 2, tokens: 7, leadingRows: 5, heads: 5, pairs: 11, pairing, turnsBack: true),
      Case(sequences: 3, tokens: 4, leadingRows: 3, heads: 1, pairs: 32, pairing),
      Case(sequences: 1, tokens: 2, leadingRows: 1, heads: 7, pairs: 300, pairing),
      Case(sequences: 2, tokens: 197, leadingRows: 1, heads: 2, pairs: 3, pairing, turnsBack: true),
    ]
  }

  @Test(arguments: TestBackend.available, cases)
  func rotate(_ backend: TestBackend, _ test: Case) throws {
    try checkDefinition(backend.open(), test)
  }

  @Test(arguments: TestBackend.available, RotaryPairing.allCases)
  func rotatedSequencesAreIndependent(_ backend: TestBackend, _ pairing: RotaryPairing) throws {
    let test = Case(sequences: 3, tokens: 11, leadingRows: 2, heads: 3, pairs: 9, pairing)
    try checkIndependence(backend.open(), test)
    try checkSchedules(
      backend, [test, Case(sequences: 2, tokens: 67, leadingRows: 1, heads: 2, pairs: 33, pairing, turnsBack: true)])
  }

  /// Queries and keys lie side by side in a fused projection, whose values stay as they are.
  @Test(arguments: TestBackend.available, RotaryPairing.allCases)
  func columnsOfAFusedProjectionAreRotated(_ backend: TestBackend, _ pairing: RotaryPairing) throws {
    let test = Case(sequences: 2, tokens: 5, leadingRows: 1, heads: 6, pairs: 5, pairing)
    let values = HostMatrix.random(test.matrix.rows, 30, seed: 46)
    func run<B: Backend>(_ backend: B) throws -> (turned: HostMatrix, values: HostMatrix, back: HostMatrix) {
      let fused = try backend.makeMatrix(rows: values.rows, columns: 90)
      let (turned, rest) = (fused.columns(0..<60), fused.columns(60..<90))
      try backend.upload(test.matrix.values.span, to: turned)
      try backend.upload(values.values.span, to: rest)
      let (cosines, sines) = try (test.cosines.upload(to: backend), test.sines.upload(to: backend))
      try backend.rotate(test.operation(on: turned, cosines: cosines, sines: sines, turnsBack: false))
      let forth = try HostMatrix.download(turned, from: backend)
      try backend.rotate(test.operation(on: turned, cosines: cosines, sines: sines, turnsBack: true))
      return try (forth, HostMatrix.download(rest, from: backend), HostMatrix.download(turned, from: backend))
    }
    let result = try run(backend.open())
    expectClose(result.turned, test.expected()[0], bound: 1e-10, "queries and keys")
    expectSameBits(result.values, values, "values")
    expectClose(result.back, test.matrix.doubles, bound: 1e-10, "turned back")
  }

  /// Leading rows keep their bits.
  @Test(arguments: TestBackend.available, RotaryPairing.allCases)
  func leadingRowsStay(_ backend: TestBackend, _ pairing: RotaryPairing) throws {
    let test = Case(sequences: 3, tokens: 7, leadingRows: 4, heads: 2, pairs: 17, pairing)
    func run<B: Backend>(_ backend: B) throws -> HostMatrix { try test.run(on: Stage(backend, layout: .padded))[0] }
    let turned = try run(backend.open())
    for sequence in 0..<3 {
      let rows = sequence * 7..<sequence * 7 + 4
      expectSameBits(turned.rows(rows), test.matrix.rows(rows), "leading rows of sequence \(sequence)")
    }
  }
}
