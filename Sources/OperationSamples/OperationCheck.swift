public import Compute
public import Failures

/// What a check found.
public enum CheckVerdict: Sendable, Equatable {
  case good
  /// What is wrong with the numbers.
  case wrong(Message)
  /// What the device refused, in its own words.
  case failed(Message)
}

/// One operation on two backends.
public struct OperationCheck: Sendable {
  public let operation: OperationName
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
package struct OperationComparison<Reference: Backend, Tested: Backend> {
  let reference: Reference
  let tested: Tested
  let timer: OperationTimer

  package init(reference: Reference, tested: Tested, timer: OperationTimer = OperationTimer(repetitions: 3)) {
    self.reference = reference
    self.tested = tested
    self.timer = timer
  }

  /// - Throws: what the reference refuses.
  package func check(_ sample: some OperationSample) throws(BackendError) -> OperationCheck {
    let expected = try run(sample, on: reference)
    let bound = sample.bound(on: tested)
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
        referenceSeconds: expected.seconds, seconds: nil, verdict: .failed(error.reason))
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
package struct OperationError {
  /// `Σ (actual − expected)² / Σ expected²`.
  package let meanSquare: Double
  /// The largest difference, relative to the element or to the root mean square of all, whichever is larger.
  package let largest: Double

  package init<Value: BinaryFloatingPoint>(_ actual: [[Value]], _ expected: [[Value]]) {
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

  /// The largest error of one element where the mean square may be `bound`: ten times its root.
  package static func largest(bound: Double) -> Double { 10 * bound.squareRoot() }

  /// What is wrong, if anything: the mean, or one element by more than such a mean allows.
  package func fault(bound: Double) -> Message? {
    if meanSquare.isNaN { return "values that are not numbers" }
    if !(meanSquare <= bound) { return "wrong values" }
    if !(largest <= Self.largest(bound: bound)) { return "a wrong value" }
    return nil
  }
}
