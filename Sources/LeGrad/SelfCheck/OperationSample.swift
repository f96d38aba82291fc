import Compute
import VisionTransformer

/// One operation on seeded random inputs, in sizes that a model has: the same work on every backend, to compare what it
/// gives and how long it takes.
protocol OperationSample: Sendable {
  /// The operation's name in `Backend`.
  var operation: String { get }
  /// Sizes and options, for people.
  var detail: String { get }
  /// Whether it multiplies matrices, whose operands the backend may store in its precision.
  var isProduct: Bool { get }
  /// What it computes in.
  var scalar: Scalar { get }
  /// Floating-point operations by definition, a multiply–add counted as two; 0 where memory is what it takes.
  var arithmetic: Double { get }

  /// Makes all that the operation needs.
  /// - Returns: what runs it, as often as one likes and each time with the same result.
  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun
}

/// Enqueues a prepared operation.
typealias SampleRun = () throws(BackendError) -> Void

extension OperationSample {
  var isProduct: Bool { false }
  var scalar: Scalar { .float32 }
  var arithmetic: Double { 0 }
}

/// The matrices of one sample on one backend.
final class SampleBench<B: Backend> {
  let backend: B
  /// What the operation writes, in the order in which it was made.
  private(set) var outputs: [Matrix<B.Buffer>] = []
  private let sample: String
  private let scalar: Scalar
  private var inputs = 0

  init(_ backend: B, for sample: some OperationSample) {
    self.backend = backend
    self.sample = sample.operation + " " + sample.detail
    scalar = sample.scalar
  }

  /// Nearly normal values, the same on every backend.
  func input(
    rows: Int, columns: Int, mean: Float = 0, deviation: Float = 1
  ) throws(BackendError) -> Matrix<B.Buffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns, of: scalar)
    try upload(random(rows * columns, mean: mean, deviation: deviation), to: matrix)
    return matrix
  }

  /// Memory that the operation is to write. What it leaves unwritten is not a number.
  func output(rows: Int, columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns, of: scalar)
    try upload([Float](repeating: .nan, count: rows * columns), to: matrix)
    outputs.append(matrix)
    return matrix
  }

  private func upload(_ values: [Float], to matrix: Matrix<B.Buffer>) throws(BackendError) {
    switch scalar {
    case .float32: try backend.upload(values.span, to: matrix)
    case .float64:
      // With digits that float32 does not hold.
      let doubles = values.map { Double($0) * 1.000_000_001 }
      try backend.upload(doubles.span, to: matrix)
    }
  }

  /// A weight that keeps the size of what it multiplies.
  func weight(outputs: Int, inputs: Int) throws(BackendError) -> B.Weight {
    let values = random(outputs * inputs, mean: 0, deviation: 1 / Float(inputs).squareRoot())
    return try backend.prepare(values.span, rows: outputs, columns: inputs)
  }

  private func random(_ count: Int, mean: Float, deviation: Float) -> [Float] {
    inputs += 1
    return RandomNumbers(seed: UInt64(inputs), name: sample).values(0..<count, mean: mean, deviation: deviation)
  }

  /// What the operation has written.
  func read() throws(BackendError) -> [[Double]] {
    var results: [[Double]] = []
    for matrix in outputs {
      switch scalar {
      case .float32:
        var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
        var span = values.mutableSpan
        try backend.download(matrix, into: &span)
        results.append(values.map { Double($0) })
      case .float64:
        var values = [Double](repeating: 0, count: matrix.rows * matrix.columns)
        var span = values.mutableSpan
        try backend.download(matrix, into: &span)
        results.append(values)
      }
    }
    return results
  }
}
