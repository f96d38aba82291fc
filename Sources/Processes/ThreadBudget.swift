import Glibc
import Synchronization

/// How many threads of a process may be at work at a time, shared by those who have threads: each takes a place before it
/// works and gives it back. A thread without a place sleeps, so that there may be more threads than places.
package final class ThreadBudget: Sendable {
  package let count: Int
  private let free: Atomic<Int>
  /// Threads that sleep until there is a place.
  private let waiting = Atomic<Int>(0)
  private let lock = ThreadLock()
  /// Of those that wait, the ones that go first. Changes under the lock.
  private let urgent = Atomic<Int>(0)

  /// - Precondition: `count` is positive.
  package init(count: Int) {
    precondition(count > 0, "a budget has a thread, got \(count)")
    self.count = count
    free = Atomic(count)
  }

  /// Whether `tryTake` would have a place.
  package var hasPlace: Bool {
    free.load(ordering: .sequentiallyConsistent) > 0 && waiting.load(ordering: .sequentiallyConsistent) == 0
  }

  /// Takes a place if there is one that nobody waits for.
  package func tryTake() -> Bool { waiting.load(ordering: .sequentiallyConsistent) == 0 && takeFree() }

  /// Takes a place, and waits until there is one.
  /// - Parameter isUrgent: before those who are not.
  package func take(isUrgent: Bool = false) {
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

  package func give() {
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
