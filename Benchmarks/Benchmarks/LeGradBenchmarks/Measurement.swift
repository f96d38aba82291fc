import Benchmark
import Compute
import ComputeCPU
import Glibc

/// How often a benchmark runs.
struct Repetition {
  let runs: Int
  let longest: Duration

  static let operation = Repetition(runs: 200, longest: .milliseconds(500))
  static let explanation = Repetition(runs: 5, longest: .seconds(4))
}

/// A benchmark that is ready to run, and the roof that it is held against.
private struct Prepared {
  let run: () throws -> Void
  let roof: Double
}

/// Times of one benchmark in seconds, the warm-up among them.
private final class Times {
  var seconds: [Double] = []
}

private let warmUps = 1

/// Registers a benchmark: time, rate, share of the machine's roof.
///
/// A line with medians is printed once it has run; the package's own table has the percentiles.
/// - Parameter prepare: makes what the benchmark needs, and returns what is timed.
func measure(
  _ name: String, precision: Precision = .f32, _ work: Work, repetition: Repetition = .operation,
  prepare: @escaping (CPUBackend) throws -> () throws -> Void
) {
  let rate = BenchmarkMetric.custom(work.unit, polarity: .prefersLarger, useScalingFactor: false)
  let share = BenchmarkMetric.custom("Share of roof (%)", polarity: .prefersLarger, useScalingFactor: false)
  let times = Times()
  var roof = 0.0
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
      let seconds = (ContinuousClock.now - start).inSeconds
      times.seconds.append(seconds)
      benchmark.measurement(rate, Int((work.amount / seconds / 1e9).rounded()))
      benchmark.measurement(share, Int((100 * work.amount / seconds / prepared.roof).rounded()))
    },
    setup: {
      let backend = try CPUBackend(precision: precision)
      roof = try Machine.roof(for: work, on: backend)
      return Prepared(run: try prepare(backend), roof: roof)
    },
    teardown: {
      let measured = times.seconds.dropFirst(warmUps)
      if !measured.isEmpty { print(line(name, work, seconds: measured.sorted(), roof: roof)) }
    })
}

/// Name, median and best time, rate and share at the median.
private func line(_ name: String, _ work: Work, seconds: [Double], roof: Double) -> String {
  let median = (seconds[(seconds.count - 1) / 2] + seconds[seconds.count / 2]) / 2
  let rate = work.amount / median
  return [
    name.padded(to: 68),
    "\((1e3 * median).fixed(3).leftPadded(to: 11)) ms",
    "best \((1e3 * seconds[0]).fixed(3).leftPadded(to: 11)) ms",
    "\((rate / 1e9).fixed(1).leftPadded(to: 8)) \(work.unit.padded(to: 7))",
    "\((100 * rate / roof).fixed(0).leftPadded(to: 4)) % of \(work.roofName) \((roof / 1e9).fixed(0))",
  ].joined(separator: "  ")
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
  fileprivate func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

extension Double {
  /// With so many decimals, for values of any sign that fit a table.
  fileprivate func fixed(_ places: Int) -> String {
    let scale = pow(10, Double(places))
    let scaled = (magnitude * scale).rounded()
    guard scaled < 0x1p62 else { return "\(self)" }
    let (whole, rest) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
    let digits = String(rest)
    let fraction = places == 0 ? "" : "." + String(repeating: "0", count: places - digits.count) + digits
    return (self < 0 ? "-" : "") + "\(whole)" + fraction
  }
}
