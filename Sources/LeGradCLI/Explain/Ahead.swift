import Dispatch
import LeGrad
import Synchronization

/// What another thread works out until it is needed.
final class Ahead<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, LeGradError>?>(nil)
  private let done = DispatchGroup()

  init(_ work: @escaping @Sendable () throws(LeGradError) -> Value) {
    done.enter()
    DispatchQueue.global().async { [self] in
      let result = Result { () throws(LeGradError) in try work() }
      outcome.withLock { $0 = result }
      done.leave()
    }
  }

  /// Waits for it.
  func value() throws(LeGradError) -> Value {
    done.wait()
    guard let outcome = outcome.withLock({ $0 }) else { preconditionFailure("work that is done has an outcome") }
    return try outcome.get()
  }
}
