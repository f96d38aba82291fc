import Compute
import OperationSamples
import TestSupport
import Testing

/// One operation with its inputs: how a backend runs it, and what the oracle says it gives.
protocol OperationCase: Sendable, CustomTestStringConvertible {
  var operation: OperationName { get }
  /// Results that cancel are judged by this magnitude; 0 for all others.
  var magnitude: Double { get }

  /// Runs the operation and reads its outputs.
  func run<B: Backend>(on stage: Stage<B>) throws -> [HostMatrix]
  /// The same outputs by definition.
  func expected() -> [DoubleMatrix]

  /// Parts of the batch that must not know of each other: rows, or images, or prompts of images.
  var pieces: Int { get }
  /// One of them as an operation of its own; its outputs are the batch's rows of that piece.
  func piece(_ index: Int) -> Self
}

extension OperationCase {
  var magnitude: Double { 0 }
}

/// Expects the oracle's values in every layout.
func checkDefinition<B: Backend>(
  _ backend: B, _ test: some OperationCase, layouts: [Layout] = Layout.all,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let expected = test.expected()
  let bound = test.operation.bound(backend.precision)
  for layout in layouts {
    let actual = try perform(on: backend, layout: layout, sourceLocation: sourceLocation) { try test.run(on: $0) }
    #expect(actual.count == expected.count, sourceLocation: sourceLocation)
    for (index, pair) in zip(actual, expected).enumerated() {
      expectClose(
        pair.0, pair.1, bound: bound, magnitude: test.magnitude, "\(layout): result \(index)",
        sourceLocation: sourceLocation)
    }
  }
}

/// Expects of each piece alone the bits that it has in the batch.
func checkIndependence<B: Backend>(
  _ backend: B, _ test: some OperationCase, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let batch = try test.run(on: Stage(backend, layout: .tight))
  for index in 0..<test.pieces {
    let alone = try test.piece(index).run(on: Stage(backend, layout: .tight))
    for (result, pair) in zip(batch, alone).enumerated() {
      let rows = pair.0.rows / test.pieces
      expectSameBits(
        pair.1, pair.0.rows(index * rows..<(index + 1) * rows), "result \(result) of piece \(index) alone",
        sourceLocation: sourceLocation)
    }
  }
}

/// Expects the same bits whatever the number of threads.
func checkSchedules(
  _ backend: TestBackend, _ tests: [some OperationCase], sourceLocation: SourceLocation = #_sourceLocation
) throws {
  func run<B: Backend>(_ backend: B) throws -> [[HostMatrix]] {
    try tests.map { try $0.run(on: Stage(backend, layout: .tight)) }
  }
  let alone = try run(backend.open(threads: 1))
  for threads in 2...3 {
    let shared = try run(backend.open(threads: threads))
    for (test, results) in zip(tests, zip(alone, shared)) {
      for (index, pair) in zip(results.0, results.1).enumerated() {
        expectSameBits(
          pair.1, pair.0, "\(test.testDescription) on \(threads) threads: result \(index)",
          sourceLocation: sourceLocation)
      }
    }
  }
}

extension Double {
  /// The value in float32.
  var float: Float { Float(self) }
}

extension DoubleMatrix {
  /// The values as float32: inputs that are themselves results of an operation.
  var floats: HostMatrix { HostMatrix(rows: rows, columns: columns, values: values.map { Float($0) }) }
}

extension HostMatrix {
  /// Piece `index` of `count` equal ranges of rows.
  func piece(_ index: Int, of count: Int) -> HostMatrix {
    let size = rows / count
    return rows(index * size..<(index + 1) * size)
  }
}
