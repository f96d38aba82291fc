import Compute

/// Times an operation that takes much less than the clock or a wait for the device can tell.
struct OperationTimer {
  let repetitions: Int
  /// What one repetition lasts at least.
  var burst = Duration.milliseconds(2)

  /// Seconds of one run in each repetition: as many runs as fill it, then one wait.
  func seconds<B: Backend>(of run: SampleRun, on backend: B) throws(BackendError) -> [Double] {
    var runs = 1
    // Doubled until a repetition is long enough; the clock starts when nothing is on its way.
    while try elapsed(runs, of: run, on: backend) < burst, runs < 1 << 20 { runs *= 2 }
    var seconds: [Double] = []
    for _ in 0..<repetitions { seconds.append(try elapsed(runs, of: run, on: backend).inSeconds / Double(runs)) }
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

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
