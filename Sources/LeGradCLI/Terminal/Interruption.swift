import Glibc
import Synchronization

/// Ctrl-C and polite requests to end: the process dies of the signal, as shells expect, but never while a file is
/// being written.
enum Interruption {
  private struct State {
    /// Whether work is running that looks at `requested` itself.
    var isCooperative = false
    var requested: Int32?
  }

  private static let writing = Mutex(())
  private static let state = Mutex(State())
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// Leaves the signals to a thread of their own. To be called before any other thread exists: threads inherit the
  /// mask.
  static func install() {
    var blocked = set(of: signals.filter { !isIgnored($0) })
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { _ in
        Interruption.wait()
        return nil
      }, nil)
    if status == 0 { pthread_detach(thread) } else { unsafe pthread_sigmask(SIG_UNBLOCK, &blocked, nil) }
  }

  /// Runs `body`, which writes a short file, to its end before a signal may end the process.
  static func whileWriting<Result, E: Error>(_ body: () throws(E) -> Result) throws(E) -> Result {
    try writing.withLock { _ throws(E) in try body() }
  }

  /// Runs `body`, which writes for long and cleans up after itself when `isRequested` says so; then dies of the signal
  /// if there was one. A second signal ends the process at once.
  static func asRequest<Result, E: Error>(
    _ body: (_ isRequested: @escaping @Sendable () -> Bool) throws(E) -> Result
  ) throws(E) -> Result {
    state.withLock { $0.isCooperative = true }
    defer {
      let requested = state.withLock { state in
        state.isCooperative = false
        return state.requested
      }
      if let requested { die(of: requested) }
    }
    return try body { state.withLock { $0.requested != nil } }
  }

  private static func set(of numbers: [Int32]) -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    return set
  }

  /// Whether the caller, `nohup` for one, wants a signal to be ignored.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(number, nil, &action) == 0 else { return false }
    let handler = unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self)
    let ignoring = unsafe unsafeBitCast(SIG_IGN, to: UInt.self)
    return handler == ignoring
  }

  private static func wait() {
    var waited = set(of: signals)
    while true {
      var number: Int32 = 0
      guard unsafe sigwait(&waited, &number) == 0 else { return }
      let isForWork = state.withLock { state in
        guard state.isCooperative, state.requested == nil else { return false }
        state.requested = number
        return true
      }
      if isForWork { continue }
      writing.withLock { _ in die(of: number) }
    }
  }

  /// Ends the process by a signal, which whoever waits for it sees.
  static func die(of number: Int32) -> Never {
    Terminal.wipeTransientLine()
    signal(number, SIG_DFL)
    var unblocked = set(of: [number])
    unsafe pthread_sigmask(SIG_UNBLOCK, &unblocked, nil)
    raise(number)
    // The first process of a container does not die of signals; shells write them so.
    _exit(128 + number)
  }
}
