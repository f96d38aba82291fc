import FuzzHarnesses
import Testing

/// Hostile bytes for every reader. `make fuzz` goes on where this ends, led by coverage and watched by sanitizers.
@Suite struct FuzzTests {
  @Test("seeds and their mutations end in an answer or an error of one line", arguments: Harnesses.all)
  func executions(harness: Harness) throws {
    let bench = try Workbench()
    let read = try harness.reader(bench)
    let seeds = try harness.seeds()
    #expect(!seeds.isEmpty)
    for (index, seed) in seeds.enumerated() {
      #expect(throws: Never.self, "seed \(index)") { try read(seed) }
    }
    var mutator = try Mutator(harness, seed: 1)
    for _ in 0..<harness.testRuns {
      let input = mutator.next()
      do { try read(input) } catch { Issue.record("\(error), for \(input)") }
    }
    extendLifetime(bench)
  }

  @Test("names are told apart, and the runs are 100,000 or more")
  func list() {
    #expect(Set(Harnesses.all.map(\.name)).count == Harnesses.all.count)
    #expect(Harnesses.all.map(\.testRuns).reduce(0, +) >= 100_000)
  }

  @Test("mutations are the same for a seed, others for another, and as long as allowed")
  func mutations() throws {
    let harness = try #require(Harnesses.named("json"))
    func some(_ seed: UInt64) throws -> [[UInt8]] {
      var mutator = try Mutator(harness, seed: seed)
      return (0..<200).map { _ in mutator.next() }
    }
    let first = try some(1)
    #expect(try some(1) == first)
    #expect(try some(2) != first)
    #expect(Set(first).count > 190)
    #expect(first.allSatisfy { $0.count <= harness.maximumLength })
  }
}
