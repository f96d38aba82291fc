import Evaluation
import FoundationEssentials
import LeGrad
import Synchronization

extension EvaluateOptions {
  /// Opens a data set, whose files are hashed, and shows how far that is.
  func hashing<Dataset>(
    _ open: (ManifestHashing) throws(LeGradError) -> Dataset
  ) throws(LeGradError) -> Dataset {
    let shown = HashingProgress()
    defer { shown.finish() }
    var hashing = ManifestHashing()
    hashing.cacheFolder = Environment.cacheFolder
    hashing.shard = try Shard.resolve(option: shard, environment: ProcessInfo.processInfo.environment)
    hashing.progress = { shown.advance(to: $0, of: $1) }
    return try open(hashing)
  }
}

/// How far the files of a data set are hashed: a bar on a terminal, elsewhere a line if it takes longer than a moment.
private final class HashingProgress: Sendable {
  private struct State {
    var bar: ProgressBar?
    var done = 0
    var isTold = Terminal.isTerminal(2)
    let start = ContinuousClock.now
  }

  private let state = Mutex(State())

  func advance(to done: Int, of total: Int) {
    state.withLock { state in
      if state.bar == nil { state.bar = ProgressBar(total: total, name: "hashed ") }
      state.bar?.advance(by: done - state.done)
      state.done = done
      guard !state.isTold, done < total, state.start.duration(to: .now) > .seconds(1) else { return }
      state.isTold = true
      Terminal.note(
        "hashing the data set, \(done) of \(total) images so far; what is known of them is kept for other runs")
    }
  }

  func finish() { state.withLock { $0.bar?.finish() } }
}
