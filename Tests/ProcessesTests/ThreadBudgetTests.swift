import Foundation
import Synchronization
import Testing

@testable import Processes

@Suite struct ThreadBudgetTests {
  @Test(arguments: [1, 2, 5]) func noMoreAreAtWorkThanThereArePlaces(count: Int) {
    let budget = ThreadBudget(count: count)
    let counts = Counts()
    withThreads(3 * count + 2) { number in
      for round in 0..<300 {
        // Some wait, some go without, some go first.
        if number % 3 == 0, round % 2 == 0 {
          guard budget.tryTake() else { continue }
        } else {
          budget.take(isUrgent: number == 1)
        }
        let now = counts.working.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        counts.most.max(now, ordering: .sequentiallyConsistent)
        if round % 50 == 0 { sched_yield() }
        counts.working.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        counts.done.wrappingAdd(1, ordering: .sequentiallyConsistent)
        budget.give()
      }
    }
    #expect(counts.most.load(ordering: .sequentiallyConsistent) <= count)
    #expect(counts.done.load(ordering: .sequentiallyConsistent) >= (3 * count + 2) * 150)
    for _ in 0..<count { #expect(budget.tryTake()) }
    #expect(!budget.tryTake() && !budget.hasPlace)
  }

  /// Each part once, on no more threads than there are places, from several callers at a time.
  @Test(arguments: [1, 2, 3, 16], [0, 1, 2, 97]) func workIsSharedInParts(count: Int, parts: Int) {
    let budget = ThreadBudget(count: count)
    let counts = Counts()
    let done = Mutex([Int](repeating: 0, count: 3 * parts))
    withThreads(3) { caller in
      budget.take()
      budget.share(parts) { part in
        let now = counts.working.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        counts.most.max(now, ordering: .sequentiallyConsistent)
        if part % 7 == 0 { usleep(200) }
        done.withLock { $0[caller * parts + part] += 1 }
        counts.working.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      }
      // All is done by the time that it returns.
      #expect(done.withLock { $0[caller * parts..<(caller + 1) * parts].allSatisfy { $0 == 1 } })
      budget.give()
    }
    #expect(done.withLock { $0.allSatisfy { $0 == 1 } })
    #expect(counts.most.load(ordering: .sequentiallyConsistent) <= count)
    for _ in 0..<count { #expect(budget.tryTake()) }
  }

  @Test func whatIsMadeOfThePartsIsInTheirOrder() {
    for count in [1, 5] {
      let budget = ThreadBudget(count: count)
      for parts in [0, 1, 300] { #expect(budget.shared(parts) { $0 * $0 } == (0..<parts).map { $0 * $0 }) }
    }
  }

  /// Parts that have parts: whoever has work does it, whether others help or not.
  @Test func partsMayHaveParts() {
    let budget = ThreadBudget(count: 4)
    let sum = Atomic<Int>(0)
    budget.share(9) { outer in
      budget.share(11) { inner in sum.wrappingAdd(outer * 100 + inner, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 36 * 11 * 100 + 55 * 9)
  }

  /// Who only tries leaves a place to one that waits, and an urgent one goes before one that is not.
  @Test func whoWaitsGoesFirst() {
    let budget = ThreadBudget(count: 1)
    budget.take()
    let order = Order()
    let threads = ["ordinary", "urgent"].map { name in
      let thread = JoinedThread {
        budget.take(isUrgent: name == "urgent")
        order.names.withLock { $0.append(name) }
        budget.give()
      }
      // Asleep before the next one comes.
      usleep(50_000)
      return thread
    }
    #expect(!budget.tryTake())
    budget.give()
    for thread in threads { thread?.join() }
    #expect(order.names.withLock { $0 } == ["urgent", "ordinary"])
    #expect(budget.tryTake())
  }

  private final class Order: Sendable {
    let names = Mutex<[String]>([])
  }

  private final class Counts: Sendable {
    let working = Atomic(0)
    let most = Atomic(0)
    let done = Atomic(0)
  }

  private func withThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { number in JoinedThread { body(number) } }
    for thread in threads { thread?.join() }
  }
}

@Suite struct ProcessorAllowanceTests {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "legrad-quotas-\(UUID().uuidString)")
  }

  private func write(_ files: [String: String], to path: String) throws {
    let place = folder.appending(path: path)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    for (name, text) in files { try text.write(to: place.appending(path: name), atomically: true, encoding: .utf8) }
  }

  private func mount(_ kind: String, options: String = "rw") -> String {
    "30 23 0:26 / \(folder.path) rw,nosuid shared:4 - \(kind) none \(options)\n"
  }

  @Test func theTightestQuotaCounts() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try write(["cpu.max": "250000 100000\n"], to: "job")
    try write(["cpu.max": "max 100000\n"], to: "job/step")
    let quota = ProcessorQuota(mounts: mount("cgroup2"), groups: "0::/job/step\n")
    #expect(quota.processors() == 2.5)
    try write(["cpu.max": "50000 100000\n"], to: "job/step")
    #expect(quota.processors() == 0.5)
    #expect(ProcessorQuota(mounts: mount("cgroup2"), groups: "0::/other\n").processors() == nil)
    #expect(ProcessorQuota(mounts: "", groups: "").processors() == nil)
  }

  @Test func theFirstVersionHasTwoFiles() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let mounts = mount("cgroup", options: "rw,cpu,cpuacct")
    try write(["cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "50000\n"], to: "pod")
    #expect(ProcessorQuota(mounts: mounts, groups: "4:cpu,cpuacct:/pod\n1:memory:/\n").processors() == 3)
    try write(["cpu.cfs_quota_us": "-1\n"], to: "pod")
    #expect(ProcessorQuota(mounts: mounts, groups: "4:cpu,cpuacct:/pod\n").processors() == nil)
    // Another controller's mount.
    #expect(ProcessorQuota(mounts: mount("cgroup", options: "rw,cpuset"), groups: "4:cpu:/pod\n").processors() == nil)
  }

  @Test(
    arguments: [
      ("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n", 8), ("Cpus_allowed:\t80000000,00000000,00000005\n", 3),
      ("Cpus_allowed:\t0\n", nil), ("", nil),
    ] as [(String, Int?)])
  func masksAreCounted(status: String, count: Int?) { #expect(ProcessorAllowance.allowed(status) == count) }

  @Test func thereIsOne() { #expect(ProcessorAllowance.count() >= 1) }
}
