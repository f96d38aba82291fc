import CSimd
import Glibc
import Processes
import Synchronization

/// Threads that share out the items of one job at a time.
///
/// The caller works too; the others join while there is something left and are not waited for if they come late.
/// Between jobs they look for the next one for some microseconds, then sleep.
final class WorkerPool: Sendable {
  let threadCount: Int
  private let shared: Shared
  private let threads: [JoinedThread]

  /// A pool of `threadCount` threads, the caller included; with 1 no thread is made. Fewer where the system
  /// refuses more.
  /// - Parameter budget: what the pool's own threads take a place of for each job that they join; who has none stays away
  ///   from it. The caller's place is the caller's to have.
  init(threadCount: Int, budget: ThreadBudget? = nil) {
    precondition(threadCount > 0, "a pool needs a thread, got \(threadCount)")
    let shared = Shared(budget)
    self.shared = shared
    var threads: [JoinedThread] = []
    for number in 1..<max(threadCount, 1) {
      guard let thread = JoinedThread({ shared.serve(as: number) }) else { break }
      threads.append(thread)
    }
    self.threads = threads
    self.threadCount = threads.count + 1
  }

  deinit {
    shared.stop()
    for thread in threads { thread.join() }
  }

  /// Calls `body` with ranges of at most `grain` items until `0 ..< count` is done. The second argument is the
  /// number of the thread, 0 for the caller. One call at a time.
  func run(_ count: Int, grain: Int = 1, _ body: (Range<Int>, Int) -> Void) {
    precondition(grain > 0)
    if count <= grain || threadCount == 1 {
      if count > 0 { body(0..<count, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      shared.open(Job(count: count, grain: grain, body: body))
      shared.work(as: 0)
      shared.close()
    }
  }
}

private struct Job {
  let count: Int
  let grain: Int
  let body: (Range<Int>, Int) -> Void
}

/// What the threads of a pool look at.
///
/// Unchecked because of `job`: it is written only while the gate is closed and nobody is inside, and read only
/// by those inside.
@safe private final class Shared: @unchecked Sendable {
  /// Bits 0–15: threads inside the job; bit 16: the job is open; above: the job's number. A thread enters by
  /// adding 1 while the bit is set, so that a late one can never meet a job that is gone.
  private let gate = Atomic<UInt>(0)
  private let next = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private var job: Job?
  private let budget: ThreadBudget?
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>

  private static let openBit: UInt = 1 << 16
  private static let insideMask: UInt = openBit - 1
  private static let jobUnit: UInt = 1 << 17
  /// Looks for a new job before a thread sleeps; some tens of microseconds.
  private static let spins = 2_000

  init(_ budget: ThreadBudget?) {
    self.budget = budget
    unsafe mutex = .allocate(capacity: 1)
    unsafe wake = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(wake, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(wake)
    unsafe pthread_mutex_destroy(mutex)
    unsafe wake.deallocate()
    unsafe mutex.deallocate()
  }

  func open(_ job: Job) {
    self.job = job
    next.store(0, ordering: .relaxed)
    let number = gate.load(ordering: .relaxed) / Self.jobUnit &+ 1
    gate.store(number &* Self.jobUnit | Self.openBit, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0, budget?.hasPlace ?? true { wakeAll() }
  }

  /// Keeps new threads out, waits for those inside.
  func close() {
    gate.bitwiseAnd(~Self.openBit, ordering: .acquiringAndReleasing)
    var looks = 0
    while gate.load(ordering: .acquiring) & Self.insideMask != 0 {
      looks += 1
      if looks < Self.spins { spinHint() } else { sched_yield() }
    }
    job = nil
  }

  func work(as thread: Int) {
    guard let job else { return }
    while true {
      let first = next.wrappingAdd(job.grain, ordering: .relaxed).oldValue
      if first >= job.count { return }
      job.body(first..<min(first + job.grain, job.count), thread)
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  /// A thread's life.
  func serve(as thread: Int) {
    var last: UInt = 0
    while !stopping.load(ordering: .acquiring) {
      guard budget?.tryTake() ?? true else {
        // Others are at work: no looking about meanwhile, and the job that is open goes on without this thread.
        last = gate.load(ordering: .sequentiallyConsistent) / Self.jobUnit
        sleep(after: last)
        continue
      }
      let isInside = enter(after: &last)
      if isInside {
        work(as: thread)
        gate.wrappingSubtract(1, ordering: .releasing)
      }
      budget?.give()
      if !isInside { waitForJob(after: last) }
    }
  }

  /// Enters the open job if it is another than the last one.
  private func enter(after last: inout UInt) -> Bool {
    var seen = gate.load(ordering: .relaxed)
    while isNew(seen, after: last) {
      let (exchanged, original) = gate.weakCompareExchange(
        expected: seen, desired: seen + 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      if exchanged {
        last = seen / Self.jobUnit
        return true
      }
      seen = original
    }
    return false
  }

  private func isNew(_ gate: UInt, after last: UInt) -> Bool {
    gate & Self.openBit != 0 && gate / Self.jobUnit != last
  }

  private func waitForJob(after last: UInt) {
    for _ in 0..<Self.spins {
      if isNew(gate.load(ordering: .relaxed), after: last) || stopping.load(ordering: .relaxed) { return }
      spinHint()
    }
    sleep(after: last)
  }

  private func sleep(after last: UInt) {
    unsafe pthread_mutex_lock(mutex)
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while !isNew(gate.load(ordering: .sequentiallyConsistent), after: last),
      !stopping.load(ordering: .sequentiallyConsistent)
    {
      unsafe pthread_cond_wait(wake, mutex)
    }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    unsafe pthread_mutex_unlock(mutex)
  }

  private func wakeAll() {
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(wake)
    unsafe pthread_mutex_unlock(mutex)
  }
}

/// Tells the processor that this is a waiting loop.
@inline(__always)
private func spinHint() { legrad_spin_hint() }
