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

  /// What the stages do with an item. Methods, as closures in closures end Swift 6.3.1's compiler.
  private final class Item: Sendable {
    let number: Int
    let record: Record
    let slow: Int
    let isBad: Bool
    let fault: @Sendable (_ item: Int, _ stage: String) -> Bool
    var bytes: Int { 10 + number % 10 }

    init(
      _ number: Int, _ record: Record, slow: Int, isBad: Bool, fault: @escaping @Sendable (Int, String) -> Bool
    ) {
      (self.number, self.record, self.slow) = (number, record, slow)
      (self.isBad, self.fault) = (isBad, fault)
    }

    func check(_ stage: String) throws(LeGradError) {
      if slow > 0 { usleep(UInt32(number * 7919 % slow)) }
      if fault(number, stage) { throw LeGradError(.memory, "\(number) \(stage)") }
    }

    func load() throws(LeGradError) -> Item {
      record.begin()
      defer { record.end() }
      record.hold(bytes)
      if slow > 0 { usleep(UInt32(number * 104_729 % slow)) }
      guard isBad else { return self }
      record.hold(-bytes)
      throw LeGradError(.input, "\(number) is bad")
    }

    func part() throws(LeGradError) {
      record.begin()
      defer { record.end() }
      try check("part")
    }

    func end() throws(LeGradError) -> Int {
      record.begin()
      defer { record.end() }
      try check("end")
      record.hold(-bytes)
      return number * number
    }
  }

  private typealias Numbers = Pipeline<Item, Int>

  /// Items of 10 to 19 bytes; the item's square comes out.
  private func pipeline(
    _ count: Int, threads: Int, bytes: Int = 1 << 20, batch: Int = 4, record: Record = Record(), slow: Int = 0,
    bad: @escaping @Sendable (Int) -> Bool = { _ in false },
    fault: @escaping @Sendable (_ item: Int, _ stage: String) -> Bool = { _, _ in false }
  ) -> Numbers {
    let stages = Numbers.Stages(
      open: { number throws(LeGradError) in
        if bad(number), number % 2 == 0 { throw LeGradError(.input, "\(number) is bad") }
        let item = Item(number, record, slow: slow, isBad: bad(number), fault: fault)
        return Numbers.Opened(bytes: item.bytes, load: item.load)
      }, held: { $0.bytes },
      compute: { batch throws(LeGradError) in
        record.begin()
        defer { record.end() }
        record.state.withLock { $0.batches.append(batch.map(\.item)) }
        var results: [Result<Numbers.Computed, LeGradError>] = []
        for (number, item) in batch {
          try item.check("compute")
          var parts: [@Sendable () throws(LeGradError) -> Void] = []
          while parts.count < number % 4 { parts.append(item.part) }
          results.append(.success(Numbers.Computed(parts: parts, end: item.end)))
        }
        return results
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
    // A batch fails as a whole.
    let first = stage == "compute" ? item / 4 * 4 : item
    for expected in 0..<first { #expect(try pipeline.next()?.item == expected) }
    let error = #expect(throws: LeGradError.self) { try pipeline.next() }
    #expect(error?.kind == .memory)
    // And again.
    #expect(throws: LeGradError.self) { try pipeline.next() }
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
