#if DEBUG
  import Synchronization
#endif

/// What tests count in place of time: steps of the loops whose number a stranger's text or file decides. A release counts
/// nothing.
package enum Work {
  #if DEBUG
    package final class Count: Sendable {
      fileprivate let steps = Atomic(0)
      package init() {}
      package var total: Int { steps.load(ordering: .relaxed) }
    }

    @TaskLocal package static var count: Count?

    package static func add(_ steps: Int) { count?.steps.add(steps, ordering: .relaxed) }
  #else
    @inlinable @inline(__always) package static func add(_ steps: Int) {}
  #endif
}
