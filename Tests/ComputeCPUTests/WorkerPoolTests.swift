import Processes
import Synchronization
import Testing

@testable import ComputeCPU

@Suite struct WorkerPoolTests {
  /// Ranges that a run hands out, in any order.
  private final class Ranges: Sendable {
    private let taken = Mutex<[Range<Int>]>([])
    private let threads = Mutex<Set<Int>>([])

    func add(_ range: Range<Int>, thread: Int) {
      taken.withLock { $0.append(range) }
      _ = threads.withLock { $0.insert(thread) }
    }
    var sorted: [Range<Int>] { taken.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } } }
    var threadNumbers: Set<Int> { threads.withLock { $0 } }
  }

  @Test(arguments: [1, 2, 3, 8], [(0, 1), (1, 1), (2, 3), (7, 1), (64, 7), (1000, 13), (10, 10), (11, 10)])
  func everyItemOnce(_ threadCount: Int, _ size: (count: Int, grain: Int)) {
    let pool = WorkerPool(threadCount: threadCount)
    for _ in 0..<20 {
      let ranges = Ranges()
      pool.run(size.count, grain: size.grain) { range, thread in ranges.add(range, thread: thread) }
      #expect(ranges.sorted.flatMap { Array($0) } == Array(0..<size.count))
      #expect(ranges.threadNumbers.allSatisfy { (0..<threadCount).contains($0) })
      if threadCount > 1 { #expect(ranges.sorted.allSatisfy { $0.count <= size.grain }) }
    }
  }

  /// Threads without a place stay away, and whoever calls does the rest.
  @Test func aBudgetIsShared() {
    let budget = ThreadBudget(count: 3)
    let pool = WorkerPool(threadCount: 3, budget: budget)
    let working = Atomic(0)
    let most = Atomic(0)
    let total = Atomic(0)
    for round in 0..<600 {
      let taken = round / 100 % 3
      for _ in 0...taken { budget.take() }
      most.store(0, ordering: .sequentiallyConsistent)
      pool.run(50) { range, _ in
        let now = working.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        most.max(now, ordering: .sequentiallyConsistent)
        total.wrappingAdd(range.count, ordering: .relaxed)
        working.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      }
      #expect(most.load(ordering: .sequentiallyConsistent) <= 3 - taken)
      for _ in 0...taken { budget.give() }
    }
    #expect(total.load(ordering: .relaxed) == 600 * 50)
  }

  @Test func nothingRunsAfterTheCallReturns() {
    let pool = WorkerPool(threadCount: 4)
    for _ in 0..<2_000 {
      let running = Atomic<Int>(0)
      let done = Atomic<Int>(0)
      pool.run(9) { range, _ in
        running.wrappingAdd(1, ordering: .relaxed)
        done.wrappingAdd(range.count, ordering: .relaxed)
        running.wrappingSubtract(1, ordering: .relaxed)
      }
      #expect(running.load(ordering: .relaxed) == 0)
      #expect(done.load(ordering: .relaxed) == 9)
    }
  }

  @Test func sleepersWakeUp() async throws {
    let pool = WorkerPool(threadCount: 3)
    for _ in 0..<5 {
      // Longer than the threads look for work.
      try await Task.sleep(for: .milliseconds(5))
      let total = Atomic<Int>(0)
      pool.run(1_000) { range, _ in total.wrappingAdd(range.lowerBound, ordering: .relaxed) }
      #expect(total.load(ordering: .relaxed) == 999 * 1_000 / 2)
    }
  }

  @Test func threadsEndWithTheirPool() {
    // Many times more threads than a process may have at once, were they kept.
    for _ in 0..<300 {
      let pool = WorkerPool(threadCount: 16)
      #expect(pool.threadCount == 16)
    }
  }
}
