public import Compute
import Failures
import Randomness

/// One operation on seeded random inputs, in sizes that a model has: the same work on every backend, to compare what it
/// gives and how long it takes.
public protocol OperationSample: Sendable {
  var operation: OperationName { get }
  /// Sizes and options, for people.
  var detail: String { get }
  /// What it computes in.
  var scalar: Scalar { get }
  /// Floating-point operations by definition, a multiply–add counted as two; 0 where memory is what it takes.
  var arithmetic: Double { get }

  /// Makes all that the operation needs.
  /// - Returns: what runs it, as often as one likes and each time with the same result.
  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun
}

/// Enqueues a prepared operation.
public typealias SampleRun = () throws(BackendError) -> Void

extension OperationSample {
  public var scalar: Scalar { .float32 }
  public var arithmetic: Double { 0 }

  /// The largest error that the backend may have.
  func bound(on backend: some Backend) -> Double { operation.bound(backend.precision, scalar: scalar) }
}

extension Scalar {
  /// What a sample's detail ends with.
  var label: String { self == .float32 ? "" : " \(rawValue)" }
}

/// The matrices of one sample on one backend.
public final class SampleBench<B: Backend> {
  public let backend: B
  /// Bytes of all that the operation reads and of all that it writes.
  public private(set) var bytes = 0
  /// What the operation writes, in the order in which it was made.
  private var outputs: [Matrix<B.Buffer>] = []
  private let sample: String
  private let scalar: Scalar
  private var inputs = 0

  public init(_ backend: B, for sample: some OperationSample) {
    self.backend = backend
    self.sample = sample.operation.rawValue + " " + sample.detail
    scalar = sample.scalar
  }

  /// Nearly normal values, the same on every backend.
  func input(
    rows: Int, columns: Int, mean: Float = 0, deviation: Float = 1
  ) throws(BackendError) -> Matrix<B.Buffer> {
    try matrix(random(rows * columns, mean: mean, deviation: deviation), rows: rows, columns: columns)
  }

  /// These values, in float64.
  func input(_ values: [Double], rows: Int, columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    let matrix = try makeMatrix(rows: rows, columns: columns)
    try backend.upload(values.span, to: matrix)
    return matrix
  }

  /// Memory that the operation is to write. What it leaves unwritten is not a number.
  func output(rows: Int, columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    let output = try matrix([Float](repeating: .nan, count: rows * columns), rows: rows, columns: columns)
    outputs.append(output)
    return output
  }

  private func matrix(_ values: [Float], rows: Int, columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    // With digits that float32 does not hold.
    guard scalar == .float32 else {
      return try input(values.map { Double($0) * 1.000_000_001 }, rows: rows, columns: columns)
    }
    let matrix = try makeMatrix(rows: rows, columns: columns)
    try backend.upload(values.span, to: matrix)
    return matrix
  }

  private func makeMatrix(rows: Int, columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns, of: scalar)
    bytes += matrix.bytes
    return matrix
  }

  /// A weight that keeps the size of what it multiplies.
  func weight(outputs: Int, inputs: Int, group: WeightGroup? = nil) throws(BackendError) -> B.Weight {
    let values = random(outputs * inputs, mean: 0, deviation: 1 / Float(inputs).squareRoot())
    bytes += values.count * backend.precision.bytes
    return try backend.prepare(values.span, rows: outputs, columns: inputs, group: group)
  }

  private func random(_ count: Int, mean: Float, deviation: Float) -> [Float] {
    inputs += 1
    return RandomNumbers(seed: UInt64(inputs), name: sample).values(0..<count, mean: mean, deviation: deviation)
  }

  /// What the operation has written.
  func read() throws(BackendError) -> [[Double]] {
    var results: [[Double]] = []
    for matrix in outputs {
      let count = matrix.rows * matrix.columns
      switch scalar {
      case .float32:
        var values = [Float](repeating: 0, count: count)
        var span = values.mutableSpan
        try backend.download(matrix, into: &span)
        results.append(values.map { Double($0) })
      case .float64:
        var values = [Double](repeating: 0, count: count)
        var span = values.mutableSpan
        try backend.download(matrix, into: &span)
        results.append(values)
      }
    }
    return results
  }
}
