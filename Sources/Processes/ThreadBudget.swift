import Glibc
import Synchronization

/// How many threads of a process may be at work at a time, shared by those who have threads: each takes a place before it
/// works and gives it back. A thread without a place sleeps, so that there may be more threads than places.
package final class ThreadBudget: Sendable {
  package let count: Int
  private let places: Places
  private let helpers: Helpers

  /// - Precondition: `count` is positive.
  package init(count: Int) {
    precondition(count > 0, "a budget has a thread, got \(count)")
    self.count = count
    places = Places(count)
    helpers = Helpers(places, count: count - 1)
  }

  deinit { helpers.stop() }

  /// Whether `tryTake` would have a place.
  package var hasPlace: Bool { places.hasPlace }

  /// Takes a place if there is one that nobody waits for.
  package func tryTake() -> Bool { places.tryTake() }

  /// Takes a place, and waits until there is one.
  /// - Parameter isUrgent: before those who are not.
  package func take(isUrgent: Bool = false) { places.take(isUrgent: isUrgent) }

  package func give() { places.give() }

  /// Calls `body` with each of `0 ..< count` once, in any order, on the calling thread, whose place is the caller's to
  /// have, and on others as long as there are places for them. Returns when all are done.
  package func share(_ count: Int, _ body: (Int) -> Void) {
    guard count > 1, self.count > 1 else {
      for number in 0..<count { body(number) }
      return
    }
    withoutActuallyEscaping(body) { body in helpers.run(SharedJob(count, body)) }
  }

  /// What `body` makes of each of `0 ..< count`, as `share` calls it, in their order.
  package func shared<Value: Sendable>(_ count: Int, _ body: (Int) -> Value) -> [Value] {
    guard count > 1, self.count > 1 else { return (0..<count).map(body) }
    let values = Mutex([Value?](repeating: nil, count: count))
    share(count) { number in
      let value = body(number)
      values.withLock { $0[number] = value }
    }
    return values.withLock { values in
      values.map { value in
        guard let value else { preconditionFailure("each was made") }
        return value
      }
    }
  }
}

/// The places of a budget.
private final class Places: Sendable {
  private let free: Atomic<Int>
  /// Threads that sleep until there is a place.
  private let waiting = Atomic<Int>(0)
  private let lock = ThreadLock()
  /// Of those that wait, the ones that go first. Changes under the lock.
  private let urgent = Atomic<Int>(0)

  init(_ count: Int) { free = Atomic(count) }

  var hasPlace: Bool {
    free.load(ordering: .sequentiallyConsistent) > 0 && waiting.load(ordering: .sequentiallyConsistent) == 0
  }

  func tryTake() -> Bool { waiting.load(ordering: .sequentiallyConsistent) == 0 && takeFree() }

  func take(isUrgent: Bool) {
    lock.lock()
    defer { lock.unlock() }
    waiting.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if isUrgent { urgent.wrappingAdd(1, ordering: .sequentiallyConsistent) }
    while !((isUrgent || urgent.load(ordering: .sequentiallyConsistent) == 0) && takeFree()) { lock.wait() }
    if isUrgent { urgent.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    let others = waiting.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    // One that let this thread go first.
    if others > 0, free.load(ordering: .sequentiallyConsistent) > 0 { lock.wakeAll() }
  }

  func give() {
    free.wrappingAdd(1, ordering: .sequentiallyConsistent)
    guard waiting.load(ordering: .sequentiallyConsistent) > 0 else { return }
    lock.lock()
    lock.wakeAll()
    lock.unlock()
  }

  private func takeFree() -> Bool {
    var seen = free.load(ordering: .sequentiallyConsistent)
    while seen > 0 {
      let (exchanged, original) = free.weakCompareExchange(
        expected: seen, desired: seen - 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      seen = original
    }
    return false
  }
}

/// Work in parts, of which each thread takes the next. Unchecked because of what changes under the helpers' lock, and of the
/// body, which goes when nobody is at it.
private final class SharedJob: @unchecked Sendable {
  private let count: Int
  /// Nil once nobody may call it: a helper may know of the job for longer than its work lasts.
  private var body: ((Int) -> Void)?
  private let next = Atomic<Int>(0)
  /// Helpers that are at it. Changes under the helpers' lock.
  var inside = 0

  init(_ count: Int, _ body: @escaping (Int) -> Void) { (self.count, self.body) = (count, body) }

  var hasRest: Bool { next.load(ordering: .relaxed) < count }

  func work() {
    while true {
      let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard number < count else { return }
      body?(number)
    }
  }

  /// Under the helpers' lock, when none is at it and none can come to it.
  func close() { body = nil }
}

/// Threads that help whoever has work in parts, made when there is some first. Unchecked because of the state, which is
/// touched under the lock alone.
private final class Helpers: @unchecked Sendable {
  private let places: Places
  private let count: Int
  private let lock = ThreadLock()
  private var jobs: [SharedJob] = []
  private var threads: [JoinedThread]?
  private var isStopping = false

  init(_ places: Places, count: Int) { (self.places, self.count) = (places, count) }

  func run(_ job: SharedJob) {
    lock.lock()
    if threads == nil { start() }
    jobs.append(job)
    if places.hasPlace { lock.wakeAll() }
    lock.unlock()
    job.work()
    lock.lock()
    jobs.removeAll { $0 === job }
    while job.inside > 0 { lock.wait() }
    job.close()
    lock.unlock()
  }

  /// Under the lock. Where the system has no more threads, those that there are do the work.
  private func start() {
    var made: [JoinedThread] = []
    for _ in 0..<count {
      guard let thread = JoinedThread({ [self] in serve() }) else { break }
      made.append(thread)
    }
    threads = made
  }

  private func serve() {
    lock.lock()
    while !isStopping {
      guard let job = jobs.first(where: \.hasRest), places.tryTake() else {
        lock.wait()
        continue
      }
      job.inside += 1
      lock.unlock()
      job.work()
      places.give()
      lock.lock()
      job.inside -= 1
      if job.inside == 0 { lock.wakeAll() }
    }
    lock.unlock()
  }

  func stop() {
    lock.lock()
    isStopping = true
    lock.wakeAll()
    let started = threads ?? []
    threads = []
    lock.unlock()
    for thread in started { thread.join() }
  }
}

/// A lock that can be waited at until something has changed.
@safe package final class ThreadLock: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let change: UnsafeMutablePointer<pthread_cond_t>

  package init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe change = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(change, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(change)
    unsafe pthread_mutex_destroy(mutex)
    unsafe change.deallocate()
    unsafe mutex.deallocate()
  }

  package func lock() { unsafe pthread_mutex_lock(mutex) }
  package func unlock() { unsafe pthread_mutex_unlock(mutex) }
  /// Sleeps until `wakeAll`, without the lock meanwhile; may also return early.
  package func wait() { unsafe pthread_cond_wait(change, mutex) }
  package func wakeAll() { unsafe pthread_cond_broadcast(change) }
}

/// A thread that is joined once. Unchecked because the C library's handle may be a pointer; it is only joined.
@safe package struct JoinedThread: @unchecked Sendable {
  private let handle: pthread_t

  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Runs `body` on a thread of its own; nil where the system refuses another one.
  package init?(_ body: @escaping @Sendable () -> Void) {
    let start = unsafe Unmanaged.passRetained(Start(body))
    var handle = pthread_t()
    let status = unsafe pthread_create(
      &handle, nil,
      { context in
        guard let context = unsafe context else { return nil }
        unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    guard status == 0 else {
      unsafe start.release()
      return nil
    }
    self.handle = handle
  }

  package func join() { pthread_join(handle, nil) }
}
