import Failures
import Foundation
import Processes
import Synchronization
import Testing

@testable import LeGrad

/// Items of many sizes through a pipeline, whose stages keep a record.
@Suite struct PipelineTests {
  private final class Record: Sendable {
    struct State {
      var batches: [[Int]] = []
      var bytes = 0, mostBytes = 0
      var working = 0, mostWorking = 0
    }
    let state = Mutex(State())

    func hold(_ count: Int) {
      state.withLock {
        $0.bytes += count
        $0.mostBytes = max($0.mostBytes, $0.bytes)
      }
    }

    func begin() {
      state.withLock {
        $0.working += 1
        $0.mostWorking = max($0.mostWorking, $0.working)
      }
    }

    func end() { state.withLock { $0.working -= 1 } }
  }

  private typealias Numbers = Pipeline<Int, Int>

  /// Items of 10 to 19 bytes; the item's square comes out.
  private func pipeline(
    _ count: Int, threads: Int, bytes: Int = 1 << 20, batch: Int = 4, record: Record = Record(), slow: Int = 0,
    bad: @escaping @Sendable (Int) -> Bool = { _ in false },
    quits: @escaping @Sendable (Int) -> Bool = { _ in false },
    fault: @escaping @Sendable (_ item: Int, _ stage: String) -> Bool = { _, _ in false }
  ) -> Numbers {
    @Sendable func check(_ item: Int, _ stage: String) throws(LeGradError) {
      if slow > 0 { usleep(UInt32(item * 7919 % slow)) }
      if fault(item, stage) { throw LeGradError(.memory, "\(item) \(stage)") }
    }
    @Sendable func load(_ item: Int) throws(LeGradError) -> Int {
      record.begin()
      defer { record.end() }
      record.hold(10 + item % 10)
      if slow > 0 { usleep(UInt32((item * 104_729) % slow)) }
      if bad(item) {
        record.hold(-(10 + item % 10))
        throw LeGradError(.input, "\(item) is bad")
      }
      return item
    }
    @Sendable func part(_ item: Int) throws(LeGradError) {
      record.begin()
      defer { record.end() }
      try check(item, "part")
    }
    @Sendable func finish(_ item: Int, _ loaded: Int) throws(LeGradError) -> Int {
      record.begin()
      defer { record.end() }
      try check(item, "end")
      record.hold(-(10 + item % 10))
      return loaded * loaded
    }
    let stages = Numbers.Stages(
      open: { item throws(LeGradError) in
        if bad(item), item % 2 == 0 { throw LeGradError(.input, "\(item) is bad") }
        return Numbers.Opened(bytes: 10 + item % 10) { () throws(LeGradError) in try load(item) }
      }, held: { 10 + $0 % 10 },
      compute: { batch, done throws(LeGradError) in
        record.begin()
        defer { record.end() }
        record.state.withLock { $0.batches.append(batch.map(\.item)) }
        for (item, loaded) in batch {
          try check(item, "compute")
          if quits(item) { return }
          let onePart: @Sendable () throws(LeGradError) -> Void = { () throws(LeGradError) in try part(item) }
          let parts = [@Sendable () throws(LeGradError) -> Void](repeating: onePart, count: item % 4)
          let computed = Numbers.Computed(parts: parts) { () throws(LeGradError) in try finish(item, loaded) }
          guard done(.success(computed)) else { return }
        }
        if let last = batch.last, quits(last.item + 1) { try check(last.item + 1, "behind") }
      })
    return Numbers(
      count: count, stages: stages, limits: .init(bytes: bytes, batch: batch, computesOnThreads: true),
      budget: ThreadBudget(count: threads))
  }

  private func all(_ pipeline: Numbers) throws -> [Result<Int, LeGradError>] {
    var outcomes: [Result<Int, LeGradError>] = []
    while let (item, outcome) = try pipeline.next() {
      #expect(item == outcomes.count)
      outcomes.append(outcome)
    }
    return outcomes
  }

  @Test(arguments: 1...16) func inOrderInTheSameBatchesOnSoManyThreads(threads: Int) throws {
    let record = Record()
    let outcomes = try all(pipeline(61, threads: threads, record: record, slow: 700) { $0 % 11 == 3 })
    for (item, outcome) in outcomes.enumerated() {
      #expect((try? outcome.get()) == (item % 11 == 3 ? nil : item * item))
    }
    let good = (0..<61).filter { $0 % 11 != 3 }
    #expect(
      record.state.withLock { $0.batches }
        == stride(from: 0, to: good.count, by: 4).map { Array(good[$0..<min($0 + 4, good.count)]) })
    #expect(record.state.withLock { $0.mostWorking } <= threads)
    #expect(record.state.withLock { $0.bytes } == 0)
  }

  @Test(arguments: [1, 3, 8], [1, 19, 40, 100]) func bytesInFlightAreBounded(threads: Int, limit: Int) throws {
    let record = Record()
    let pipeline = pipeline(50, threads: threads, bytes: limit, record: record, slow: 300)
    #expect(try all(pipeline).count == 50)
    // An item that exceeds the limit goes alone.
    #expect(record.state.withLock { $0.mostBytes } <= max(limit, 19))
    #expect(pipeline.standing.mostBytes <= max(limit, 19))
  }

  @Test func aSlowConsumerHoldsTheRestUp() throws {
    let record = Record()
    let pipeline = pipeline(400, threads: 2, record: record)
    usleep(100_000)
    let begun = pipeline.standing.mostItems
    #expect(begun < 40)
    #expect(try all(pipeline).count == 400)
  }

  @Test func manyBadItemsKeepNoneWaiting() throws {
    for threads in [1, 4] {
      let outcomes = try all(pipeline(300, threads: threads) { $0 != 7 && $0 != 290 })
      #expect(outcomes.filter { (try? $0.get()) != nil }.count == 2)
    }
  }

  @Test(arguments: ["compute", "part", "end"], [0, 1, 23, 59]) func whatEndsTheRunComesInItsPlace(
    stage: String, item: Int
  ) throws {
    // An item without parts has none that fails.
    guard stage != "part" || item % 4 > 0 else { return }
    let pipeline = pipeline(60, threads: 3, slow: 300, fault: { $0 >= item && $1 == stage })
    for expected in 0..<item { #expect(try pipeline.next()?.item == expected) }
    let error = #expect(throws: LeGradError.self) { try pipeline.next() }
    #expect(error?.kind == .memory)
    // And again.
    #expect(throws: LeGradError.self) { try pipeline.next() }
  }

  @Test(arguments: [1, 3, 16], [0, 1, 7, 8, 30, 59]) func aBatchThatIsLeftInTheMiddleEndsTheRunThere(
    threads: Int, item: Int
  ) throws {
    let outcomes = try all(pipeline(60, threads: threads, slow: 200, quits: { $0 == item }))
    #expect(outcomes.map { try? $0.get() } == (0..<item).map { $0 * $0 })
  }

  @Test func anErrorBehindABatchComesBehindIt() throws {
    let pipeline = pipeline(60, threads: 3, slow: 200, quits: { $0 == 8 }, fault: { $0 == 8 && $1 == "behind" })
    for expected in 0..<8 { #expect(try pipeline.next()?.item == expected) }
    #expect(throws: LeGradError(.memory, "8 behind")) { try pipeline.next() }
  }

  @Test func stoppingDropsTheRest() throws {
    let record = Record()
    let pipeline = pipeline(10_000, threads: 4, record: record, slow: 200)
    _ = try pipeline.next()
    pipeline.stop()
    pipeline.stop()
    let batches = record.state.withLock { $0.batches.count }
    usleep(20_000)
    #expect(record.state.withLock { $0.batches.count } == batches && batches < 100)
    #expect(try pipeline.next() == nil)
  }

  @Test func nothingComesOfNothing() throws { #expect(try all(pipeline(0, threads: 2)).isEmpty) }
}
