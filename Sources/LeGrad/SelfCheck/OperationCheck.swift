import Compute

/// What a check found.
public enum CheckVerdict: Sendable, Equatable {
  case good
  /// What is wrong with the numbers.
  case wrong(String)
  /// What the device refused, in its own words.
  case failed(String)
}

/// One operation on two backends.
public struct OperationCheck: Sendable {
  /// The operation's name in `Backend`.
  public let operation: String
  /// Sizes and options, for people.
  public let detail: String
  /// Normalised mean square error against the reference; nil where there is no result.
  public let error: Double?
  /// The largest that it may be.
  public let bound: Double
  public let referenceSeconds: Double
  /// Nil where there is no result.
  public let seconds: Double?
  public let verdict: CheckVerdict
}

/// Runs the same operations on a backend that is trusted and on one that is not.
struct OperationComparison<Reference: Backend, Tested: Backend> {
  let reference: Reference
  let tested: Tested
  let timer: OperationTimer

  init(reference: Reference, tested: Tested, timer: OperationTimer = OperationTimer(repetitions: 3)) {
    self.reference = reference
    self.tested = tested
    self.timer = timer
  }

  /// - Throws: what the reference refuses.
  func check(_ sample: some OperationSample) throws(BackendError) -> OperationCheck {
    let expected = try run(sample, on: reference)
    let bound =
      switch sample.scalar {
      case .float32: OperationError.bound(sample.isProduct ? tested.precision : .f32)
      case .float64: OperationError.float64Bound
      }
    do throws(BackendError) {
      let actual = try run(sample, on: tested)
      let error = OperationError(actual.results, expected.results)
      return OperationCheck(
        operation: sample.operation, detail: sample.detail, error: error.meanSquare, bound: bound,
        referenceSeconds: expected.seconds, seconds: actual.seconds,
        verdict: error.fault(bound: bound).map { .wrong($0) }
          ?? (actual.isRepeatable ? .good : .wrong("another result when repeated")))
    } catch {
      return OperationCheck(
        operation: sample.operation, detail: sample.detail, error: nil, bound: bound,
        referenceSeconds: expected.seconds, seconds: nil, verdict: .failed(error.message))
    }
  }

  private struct Run {
    let results: [[Double]]
    let seconds: Double
    /// The last run gave the bits of the first.
    let isRepeatable: Bool
  }

  private func run<B: Backend>(_ sample: some OperationSample, on backend: B) throws(BackendError) -> Run {
    let bench = SampleBench(backend, for: sample)
    let run = try sample.prepare(on: bench)
    try run()
    let results = try bench.read()
    let seconds = try timer.seconds(of: run, on: backend).min() ?? 0
    let again = try bench.read()
    let isRepeatable = zip(results, again).allSatisfy { $0.map(\.bitPattern) == $1.map(\.bitPattern) }
    return Run(results: results, seconds: seconds, isRepeatable: isRepeatable)
  }
}

/// How far results are from the expected ones.
struct OperationError {
  /// `Σ (actual − expected)² / Σ expected²`.
  let meanSquare: Double
  /// The largest difference, relative to the element or to the root mean square of all, whichever is larger.
  let largest: Double

  init<Value: BinaryFloatingPoint>(_ actual: [[Value]], _ expected: [[Value]]) {
    var (meanSquare, largest) = (0.0, 0.0)
    for (actual, expected) in zip(actual, expected) {
      var (error, power) = (0.0, 0.0)
      for (value, wanted) in zip(actual, expected) {
        let difference = Double(value) - Double(wanted)
        error += difference * difference
        power += Double(wanted) * Double(wanted)
      }
      meanSquare = Self.larger(meanSquare, error == 0 ? 0 : error / power)
      let floor = (power / Double(max(1, expected.count))).squareRoot()
      for (value, wanted) in zip(actual, expected) where value != wanted {
        largest = Self.larger(largest, abs(Double(value) - Double(wanted)) / max(floor, abs(Double(wanted))))
      }
    }
    self.meanSquare = meanSquare
    self.largest = largest
  }

  /// What is not a number is the largest of all.
  private static func larger(_ left: Double, _ right: Double) -> Double {
    left.isNaN || right.isNaN ? .nan : max(left, right)
  }

  /// What is wrong, if anything: the mean, or one element by ten times as much as such a mean allows.
  func fault(bound: Double) -> String? {
    if meanSquare.isNaN { return "values that are not numbers" }
    if !(meanSquare <= bound) { return "wrong values" }
    if !(largest <= 10 * bound.squareRoot()) { return "a wrong value" }
    return nil
  }

  /// The largest mean square error that an operation may have. Sums, statistics, softmax and pointwise operations are
  /// float32 whatever the precision; products read their operands as the precision stores them.
  static func bound(_ precision: Precision) -> Double {
    switch precision {
    case .f32: 1e-10
    case .f16: 1e-5
    case .bf16: 1e-4
    }
  }

  /// The same for operations in float64.
  static let float64Bound = 1e-24
}
