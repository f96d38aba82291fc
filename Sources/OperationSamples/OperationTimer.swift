public import Compute
import Failures

/// Times an operation that takes much less than the clock or a wait for the device can tell.
public struct OperationTimer: Sendable {
  let repetitions: Int
  /// What one repetition lasts at least.
  let burst: Duration

  public init(repetitions: Int, burst: Duration = .milliseconds(2)) {
    self.repetitions = repetitions
    self.burst = burst
  }

  /// Seconds of one run in each repetition: as many runs as fill it, then one wait.
  public func seconds<B: Backend>(of run: SampleRun, on backend: B) throws(BackendError) -> [Double] {
    var runs = 1
    // Doubled until a repetition is long enough; the clock starts when nothing is on its way.
    while try elapsed(runs, of: run, on: backend) < burst, runs < 1 << 20 { runs *= 2 }
    var seconds: [Double] = []
    for _ in 0..<repetitions { seconds.append(try elapsed(runs, of: run, on: backend) / .seconds(runs)) }
    return seconds
  }

  private func elapsed<B: Backend>(
    _ runs: Int, of run: SampleRun, on backend: B
  ) throws(BackendError) -> Duration {
    try backend.synchronize()
    let start = ContinuousClock.now
    for _ in 0..<runs { try run() }
    try backend.synchronize()
    return ContinuousClock.now - start
  }
}
