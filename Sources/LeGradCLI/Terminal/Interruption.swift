import Files
import Glibc
import Synchronization

/// Ctrl-C and polite requests to end: the process dies of the signal, as shells expect, and leaves no file in parts.
/// Work that cleans up after itself and files that are being written are given time to, but not for ever: a disk or a
/// driver may not answer. A second signal ends the process at once.
enum Interruption {
  private struct State {
    /// Whether work is running that looks at `requested` itself.
    var isCooperative = false
    var requested: Int32?
    /// What that work would say, for where it is ended before it can.
    var lateWords: String?
  }

  /// Of what schedulers and container runtimes give before they kill (10 s and more), little: a person waits for it too.
  private static let patience: Duration = .milliseconds(1_500)
  /// How often work is looked at that may have ended.
  private static let interval = timespec(tv_sec: 0, tv_nsec: 20_000_000)

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
  /// if there was one.
  /// - Parameter lateWords: a note for where the body is not asked in time and ended in the middle.
  static func asRequest<Result, E: Error>(
    lateWords: String? = nil, _ body: (_ isRequested: @escaping @Sendable () -> Bool) throws(E) -> Result
  ) throws(E) -> Result {
    state.withLock { state in
      state.isCooperative = true
      state.lateWords = lateWords
    }
    defer {
      let requested = state.withLock { state in
        state.isCooperative = false
        state.lateWords = nil
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
    var number: Int32 = 0
    guard unsafe sigwait(&waited, &number) == 0 else { return }
    let deadline = ContinuousClock.now + patience
    state.withLock { $0.requested = number }
    while ContinuousClock.now < deadline {
      if state.withLock({ !$0.isCooperative }) { _ = writing.withLockIfAvailable { _ in die(of: number) } }
      var interval = interval
      let second = unsafe sigtimedwait(&waited, nil, &interval)
      if second > 0 { die(of: second) }
    }
    if let words = state.withLock({ $0.lateWords }), canBeTold { Terminal.note(words) }
    die(of: number)
  }

  /// Ends the process by a signal, which whoever waits for it sees.
  static func die(of number: Int32) -> Never {
    TemporaryFile.removeAll()
    if canBeTold { Terminal.wipeTransientLine() }
    signal(number, SIG_DFL)
    var unblocked = set(of: [number])
    unsafe pthread_sigmask(SIG_UNBLOCK, &unblocked, nil)
    raise(number)
    // The first process of a container has no default actions. What a shell says of one that died:
    _exit(128 + number)
  }

  /// Whether standard error takes words without waiting: a terminal that was stopped does not.
  private static var canBeTold: Bool {
    var asked = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    return unsafe poll(&asked, 1, 0) == 1 && asked.revents & Int16(POLLOUT) != 0
  }
}
