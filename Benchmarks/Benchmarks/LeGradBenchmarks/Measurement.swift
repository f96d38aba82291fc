import Benchmark
import Foundation

/// How often a benchmark runs.
struct Repetition {
  let runs: Int
  let longest: Duration

  static let operation = Repetition(runs: 200, longest: .milliseconds(500))
  static let explanation = Repetition(runs: 5, longest: .seconds(4))
}

/// A benchmark that is ready to run.
struct Prepared {
  /// What one run must do: operations or bytes, as the roof counts.
  let work: Double
  /// What the device reaches at best, in those per second.
  let roof: Double
  let run: () throws -> Void
}

/// What a benchmark ran, and its times in seconds, the warm-up among them.
private final class Times {
  var seconds: [Double] = []
  var prepared: Prepared?
}

private let warmUps = 1

/// Registers a benchmark: time, rate, share of the machine's roof.
///
/// A line with medians is printed once it has run; the package's own table has the percentiles.
/// - Parameter prepare: makes what the benchmark needs.
func measure(
  _ name: String, _ roof: Roof, repetition: Repetition = .operation, prepare: @escaping () throws -> Prepared
) {
  let rate = BenchmarkMetric.custom(roof.unit, polarity: .prefersLarger, useScalingFactor: false)
  let share = BenchmarkMetric.custom("Share of roof (%)", polarity: .prefersLarger, useScalingFactor: false)
  let times = Times()
  Benchmark(
    name,
    configuration: .init(
      metrics: [.wallClock, rate, share], timeUnits: .microseconds, units: [rate: .count, share: .count],
      warmupIterations: warmUps, maxDuration: repetition.longest, maxIterations: repetition.runs),
    closure: { (benchmark: Benchmark, prepared: Prepared) in
      let start = ContinuousClock.now
      benchmark.startMeasurement()
      try prepared.run()
      benchmark.stopMeasurement()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      times.seconds.append(seconds)
      benchmark.measurement(rate, Int((prepared.work / seconds / 1e9).rounded()))
      benchmark.measurement(share, Int((100 * prepared.work / seconds / prepared.roof).rounded()))
    },
    setup: {
      let prepared = try prepare()
      times.prepared = prepared
      return prepared
    },
    teardown: {
      let measured = times.seconds.dropFirst(warmUps)
      if let prepared = times.prepared, !measured.isEmpty {
        print(line(name, roof, prepared, seconds: measured.sorted()))
      }
    })
}

/// Name, median and best time, rate and share at the median.
private func line(_ name: String, _ roof: Roof, _ prepared: Prepared, seconds: [Double]) -> String {
  let median = (seconds[(seconds.count - 1) / 2] + seconds[seconds.count / 2]) / 2
  let rate = prepared.work / median
  return [
    name.padded(to: 68),
    String(format: "%11.3f ms", 1e3 * median),
    String(format: "best %11.3f ms", 1e3 * seconds[0]),
    String(format: "%8.1f ", rate / 1e9) + roof.unit.padded(to: 7),
    String(format: "%4.0f %% of ", 100 * rate / prepared.roof) + roof.name
      + String(format: " %.0f", prepared.roof / 1e9),
  ].joined(separator: "  ")
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
