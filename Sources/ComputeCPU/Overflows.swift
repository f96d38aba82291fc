import Synchronization

/// A count that several threads add to.
final class Overflows: Sendable {
  private let total = Atomic<Int>(0)

  func add(_ number: Int) { total.wrappingAdd(number, ordering: .relaxed) }
  var count: Int { total.load(ordering: .relaxed) }
}
