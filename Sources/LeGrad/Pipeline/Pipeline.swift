import Failures
package import Processes
import Synchronization

/// Items through three stages, and out again in their order: many threads load ahead of a device, one computes batches on it,
/// and the many finish behind it. What is on its way is bounded in bytes.
///
/// A batch is made of the same items whatever the number of threads and however fast they are. The first item that ends
/// the run does so once all before it have come out.
package final class Pipeline<Loaded: Sendable, Output: Sendable>: Sendable {
  /// An item that is ready to be loaded.
  package struct Opened: Sendable {
    /// Bytes that loading takes, and holding what was loaded.
    let bytes: Int
    let load: @Sendable () throws(LeGradError) -> Loaded

    package init(bytes: Int, load: @escaping @Sendable () throws(LeGradError) -> Loaded) {
      (self.bytes, self.load) = (bytes, load)
    }
  }

  /// What is left to do of an item that was computed: parts in any order, on any threads, then the end. An error of either
  /// ends the run.
  package struct Computed: Sendable {
    let parts: [@Sendable () throws(LeGradError) -> Void]
    let end: @Sendable () throws(LeGradError) -> Output

    package init(
      parts: [@Sendable () throws(LeGradError) -> Void] = [], end: @escaping @Sendable () throws(LeGradError) -> Output
    ) {
      (self.parts, self.end) = (parts, end)
    }
  }

  package struct Stages: Sendable {
    package typealias Outcome<Value> = Result<Value, LeGradError>

    /// An error is the item's alone, and so is one of loading.
    var open: @Sendable (_ item: Int) throws(LeGradError) -> Opened
    /// Bytes that an item which was loaded takes until it has come out.
    var held: @Sendable (Loaded) -> Int
    /// A batch, of which each may fail alone. `done` takes what came of the next item, in the batch's order, as soon as
    /// it is known, and says whether anybody still wants more. The run ends before the first item that it was not called
    /// for, by an error or quietly.
    var compute: Compute

    package typealias Compute =
      @Sendable (
        _ batch: [(item: Int, loaded: Loaded)], _ done: (Outcome<Computed>) -> Bool
      ) throws(LeGradError) -> Void

    package init(
      open: @escaping @Sendable (_ item: Int) throws(LeGradError) -> Opened, held: @escaping @Sendable (Loaded) -> Int,
      compute: @escaping Compute
    ) {
      (self.open, self.held, self.compute) = (open, held, compute)
    }
  }

  package struct Limits: Sendable {
    /// Of what is on its way. A single item may exceed them.
    package var bytes: Int
    /// Items that are computed together.
    package var batch: Int
    /// Whether the computing takes a place of the budget.
    package var computesOnThreads: Bool

    package init(bytes: Int, batch: Int, computesOnThreads: Bool) {
      (self.bytes, self.batch, self.computesOnThreads) = (bytes, batch, computesOnThreads)
    }
  }

  private let core: PipelineCore<Loaded, Output>
  private let threads: Mutex<[JoinedThread]>

  /// Starts with the first items at once.
  package init(count: Int, stages: Stages, limits: Limits, budget: ThreadBudget) {
    let core = PipelineCore(count: count, stages: stages, limits: limits, budget: budget)
    self.core = core
    var threads: [JoinedThread] = []
    if let thread = JoinedThread({ core.serveDevice() }) {
      threads.append(thread)
      for _ in 0..<core.workers {
        guard let thread = JoinedThread({ core.serve() }) else { break }
        threads.append(thread)
      }
    }
    core.hasDeviceThread = !threads.isEmpty
    core.hasWorkers = threads.count > 1
    self.threads = Mutex(threads)
  }

  deinit { stop() }

  /// Waits for the next item's outcome; nil behind the last.
  /// - Throws: what ended the run.
  package func next() throws(LeGradError) -> (item: Int, outcome: Result<Output, LeGradError>)? { try core.next() }

  /// Drops what has not come out. Returns once no stage is at work.
  package func stop() {
    core.stop()
    let started = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for thread in started { thread.join() }
  }

  package var standing: PipelineStanding { core.standing }
}

/// How a pipeline goes.
package struct PipelineStanding: Sendable {
  /// Seconds that the device computed, waited for items to be loaded, and waited for those before to be finished.
  package fileprivate(set) var computing = 0.0, loading = 0.0, finishing = 0.0
  /// The most bytes that were on their way at a time, and the most items.
  package fileprivate(set) var mostBytes = 0, mostItems = 0

  package enum Limit: String, Sendable { case reading, explaining, writing }

  /// What holds up the rest; nil before there is any.
  package var limit: Limit? {
    let shares: [(Double, Limit)] = [(computing, .explaining), (loading, .reading), (finishing, .writing)]
    return shares.max { $0.0 < $1.0 }.flatMap { $0.0 > 0 ? $0.1 : nil }
  }
}

/// What the threads of a pipeline share. Unchecked because of the state, which is touched under the lock alone.
private final class PipelineCore<Loaded: Sendable, Output: Sendable>: @unchecked Sendable {
  typealias Stages = Pipeline<Loaded, Output>.Stages
  typealias Job = @Sendable () -> Void

  /// Items that come out: fewer than there are where the run was ended.
  private var count: Int
  private var isCut = false
  private let stages: Stages
  private let limits: Pipeline<Loaded, Output>.Limits
  private let budget: ThreadBudget
  private let lock = ThreadLock()
  /// Items on their way: enough for each thread, and for the device two batches ahead and one behind. More bring nothing.
  private let depth: Int
  let workers: Int
  var hasDeviceThread = true
  var hasWorkers = true

  private var nextToOpen = 0, nextToLoad = 0, nextToCompute = 0, nextToDeliver = 0
  private var opening = 0, working = 0
  private var opened: [Int: Pipeline<Loaded, Output>.Opened] = [:]
  private var loaded: [Int: Result<Loaded, LeGradError>] = [:]
  private var outcomes: [Int: Result<Output, LeGradError>] = [:]
  /// Of those that were loaded in order, what waits for a batch to be full, and its bytes.
  private var batch: [(item: Int, loaded: Loaded)] = []
  private var batchBytes = 0
  private var isComputing = false
  private var behind: [Job] = []
  private var firstBehind = 0
  private var bytes: [Int: Int] = [:]
  private var bytesInFlight = 0
  private var fault: (item: Int, error: LeGradError)?
  private var isStopped = false
  private var figures = PipelineStanding()

  init(
    count: Int, stages: Stages, limits: Pipeline<Loaded, Output>.Limits, budget: ThreadBudget
  ) {
    (self.count, self.stages, self.limits, self.budget) = (count, stages, limits, budget)
    workers = min(budget.count, max(1, 16 * count))
    depth = 3 * max(1, limits.batch) + 2 * budget.count
  }

  private func locked<Value>(_ body: () -> Value) -> Value {
    lock.lock()
    defer { lock.unlock() }
    return body()
  }

  var standing: PipelineStanding { locked { figures } }

  // MARK: Coming out

  private enum Step {
    case deliver(item: Int, outcome: Result<Output, LeGradError>)
    case end
    case fail(LeGradError)
    case work(Job)
  }

  func next() throws(LeGradError) -> (item: Int, outcome: Result<Output, LeGradError>)? {
    while true {
      let step = locked {
        while true {
          if let step = takeStep() { return step }
          lock.wait()
        }
      }
      switch step {
      case .deliver(let item, let outcome): return (item, outcome)
      case .end: return nil
      case .fail(let error): throw error
      case .work(let job): job()
      }
    }
  }

  /// What whoever waits for the next item has to do; nil is to wait.
  private func takeStep() -> Step? {
    if nextToDeliver == count || isStopped { return .end }
    if let outcome = outcomes.removeValue(forKey: nextToDeliver) {
      let item = nextToDeliver
      nextToDeliver += 1
      release(item)
      return .deliver(item: item, outcome: outcome)
    }
    if let fault, fault.item <= nextToDeliver { return .fail(fault.error) }
    // Where the system has no threads for it, whoever waits does the work.
    if !hasWorkers, let job = takeJob() { return .work(job) }
    guard !hasDeviceThread else { return nil }
    if let batch = takeBatch() { return .work { [self] in compute(batch) } }
    // On the way to a batch there may have been an item that failed, and nobody else will say that it can come out.
    return outcomes[nextToDeliver] == nil ? nil : takeStep()
  }

  func stop() {
    locked {
      isStopped = true
      behind = []
      firstBehind = 0
      lock.wakeAll()
    }
  }

  // MARK: Many threads

  func serve() {
    while locked({
      while !isStopped, !hasJob { lock.wait() }
      return !isStopped
    }) {
      budget.take()
      while let job = locked({ takeJob() }) {
        job()
        // Others may be before this one: the device's thread, for one.
        budget.give()
        budget.take()
      }
      budget.give()
    }
  }

  private var isEnding: Bool { isStopped || isCut || fault != nil }
  private var mayOpen: Bool {
    !isEnding && nextToOpen < count && nextToOpen - nextToDeliver < depth && opened.count + opening <= workers
  }
  private var mayLoad: Bool {
    guard !isEnding, let next = opened[nextToLoad] else { return false }
    return bytesInFlight == 0 || bytesInFlight + next.bytes <= limits.bytes
  }
  private var hasJob: Bool { firstBehind < behind.count || mayLoad || mayOpen }

  /// What is next: to finish before to load, which gives memory back before it takes more. Under the lock.
  private func takeJob() -> Job? {
    guard !isStopped else { return nil }
    if firstBehind < behind.count {
      let job = behind[firstBehind]
      firstBehind += 1
      if firstBehind > 64, firstBehind * 2 > behind.count {
        behind.removeFirst(firstBehind)
        firstBehind = 0
      }
      working += 1
      return { [self] in
        job()
        locked {
          working -= 1
          lock.wakeAll()
        }
      }
    }
    if mayLoad, let opened = opened.removeValue(forKey: nextToLoad) {
      let item = nextToLoad
      nextToLoad += 1
      hold(item, opened.bytes)
      return { [self] in load(item, opened) }
    }
    guard mayOpen else { return nil }
    let item = nextToOpen
    nextToOpen += 1
    opening += 1
    return { [self] in open(item) }
  }

  private func open(_ item: Int) {
    let result = Result { () throws(LeGradError) in try stages.open(item) }
    locked {
      opening -= 1
      switch result {
      case .success(let value): opened[item] = value
      case .failure(let error):
        opened[item] = Pipeline.Opened(bytes: 0) { () throws(LeGradError) in throw error }
      }
      lock.wakeAll()
    }
  }

  private func load(_ item: Int, _ opened: Pipeline<Loaded, Output>.Opened) {
    let result = Result { () throws(LeGradError) in try opened.load() }
    let held = (try? result.get()).map(stages.held) ?? 0
    locked {
      hold(item, held)
      loaded[item] = result
      lock.wakeAll()
    }
  }

  /// Under the lock, as what follows.
  private func hold(_ item: Int, _ count: Int) {
    bytesInFlight += count - (bytes[item] ?? 0)
    bytes[item] = count
    figures.mostBytes = max(figures.mostBytes, bytesInFlight)
    figures.mostItems = max(figures.mostItems, bytes.count)
  }

  private func release(_ item: Int) {
    bytesInFlight -= bytes.removeValue(forKey: item) ?? 0
    lock.wakeAll()
  }

  private func settle(_ item: Int, _ outcome: Result<Output, LeGradError>) {
    outcomes[item] = outcome
    lock.wakeAll()
  }

  private func fail(_ item: Int, _ error: LeGradError) {
    if fault.map({ item < $0.item }) ?? true { fault = (item, error) }
    lock.wakeAll()
  }

  // MARK: The device's thread

  func serveDevice() {
    let clock = ContinuousClock()
    while true {
      let start = clock.now
      var isBehind = false
      let next = locked { () -> [(item: Int, loaded: Loaded)]? in
        while !isEnding, nextToCompute < count || !batch.isEmpty {
          if let batch = takeBatch() { return batch }
          isBehind = firstBehind < behind.count || working > 0
          lock.wait()
        }
        return nil
      }
      guard let next else { return }
      let middle = clock.now
      if limits.computesOnThreads { budget.take(isUrgent: true) }
      let begun = clock.now
      compute(next)
      if limits.computesOnThreads { budget.give() }
      locked {
        let waited = (middle - start) / .seconds(1)
        if isBehind { figures.finishing += waited } else { figures.loading += waited }
        figures.computing += (clock.now - begun) / .seconds(1)
      }
    }
  }

  /// The next batch once it is full: it has the items that it may have, or the next one would exceed the limit with it.
  private func takeBatch() -> [(item: Int, loaded: Loaded)]? {
    guard !isEnding, !isComputing else { return nil }
    // Many bad items do not keep a good one waiting for company.
    while batch.count < limits.batch, nextToCompute < count,
      batch.isEmpty || nextToCompute - batch[0].item < 2 * limits.batch
    {
      guard let result = loaded.removeValue(forKey: nextToCompute) else {
        guard !batch.isEmpty, nextToLoad == nextToCompute, let next = opened[nextToLoad],
          batchBytes + next.bytes > limits.bytes
        else { return nil }
        break
      }
      switch result {
      case .success(let value):
        batch.append((nextToCompute, value))
        batchBytes += bytes[nextToCompute] ?? 0
      case .failure(let error): settle(nextToCompute, .failure(error))
      }
      nextToCompute += 1
    }
    defer {
      batch = []
      batchBytes = 0
    }
    isComputing = !batch.isEmpty
    return batch.isEmpty ? nil : batch
  }

  private func compute(_ batch: [(item: Int, loaded: Loaded)]) {
    var items = batch.map(\.item)[...]
    func take(_ outcome: Result<Pipeline<Loaded, Output>.Computed, LeGradError>) -> Bool {
      locked {
        guard let item = items.popFirst() else { return false }
        switch outcome {
        case .success(let computed): finish(item, computed)
        case .failure(let error): settle(item, .failure(error))
        }
        lock.wakeAll()
        return !isStopped
      }
    }
    let result = Result { () throws(LeGradError) in try stages.compute(batch, take) }
    locked {
      isComputing = false
      let next = items.first ?? (batch[batch.count - 1].item + 1)
      switch result {
      case .failure(let error): fail(next, error)
      case .success:
        if !items.isEmpty { (count, isCut) = (next, true) }
      }
      lock.wakeAll()
    }
  }

  /// Leaves the parts of an item to the many threads, and the end to the one that does the last part.
  private func finish(_ item: Int, _ computed: Pipeline<Loaded, Output>.Computed) {
    let rest = PartCount(computed.parts.count)
    @Sendable func end() {
      guard locked({ !isStopped && (fault.map { item < $0.item } ?? true) }) else { return }
      let result = Result { () throws(LeGradError) in try computed.end() }
      locked {
        switch result {
        case .success(let output): settle(item, .success(output))
        case .failure(let error): fail(item, error)
        }
      }
    }
    guard !computed.parts.isEmpty else {
      behind.append { end() }
      return
    }
    for part in computed.parts {
      behind.append { [self] in
        if locked({ fault.map { item < $0.item } ?? true }) {
          do throws(LeGradError) { try part() } catch { locked { fail(item, error) } }
        }
        if rest.isLast() { end() }
      }
    }
  }
}

/// How many parts are left.
private final class PartCount: Sendable {
  private let left: Atomic<Int>

  init(_ count: Int) { left = Atomic(count) }

  func isLast() -> Bool { left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}
