import LeGrad
import Processes
import Synchronization

/// What another thread works out until it is needed, or whoever needs it where the system has no thread for it.
final class Ahead<Value: Sendable>: Sendable {
  private let work: @Sendable () throws(LeGradError) -> Value
  private let outcome = Mutex<Result<Value, LeGradError>?>(nil)
  private let thread = Mutex<JoinedThread?>(nil)

  init(_ work: @escaping @Sendable () throws(LeGradError) -> Value) {
    self.work = work
    let started = JoinedThread { [self] in
      let result = Result { () throws(LeGradError) in try work() }
      outcome.withLock { $0 = result }
    }
    thread.withLock { $0 = started }
  }

  /// Waits for it. To be called once.
  func value() throws(LeGradError) -> Value {
    thread.withLock { $0.take() }?.join()
    guard let outcome = outcome.withLock({ $0 }) else { return try work() }
    return try outcome.get()
  }
}
