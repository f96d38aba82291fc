import CSandbox
import Glibc
import Synchronization

/// A program in a process of its own that answers what it is asked, for work that may crash or never end: this process
/// then has an error, and the other one is gone.
///
/// Unchecked because it is asked by one thread at a time, which is its owner's part.
package final class AnsweringProcess: @unchecked Sendable {
  /// Why there is no answer. The process has been ended.
  package enum Failure: Error, Equatable {
    case ended(ChildProcess.Ending)
    /// The answer is none that was agreed on.
    case senseless
  }

  /// How such a process is started: a program, and the arguments at which it answers.
  package struct Start: Sendable, Equatable {
    package let executable: String
    package let arguments: [String]

    package init(executable: String, arguments: [String]) {
      self.executable = executable
      self.arguments = arguments
    }
  }

  /// The system's number for it.
  package let identifier: Int32
  private let channel: Descriptor
  private var failure: Failure?
  private var deadline = ContinuousClock.now

  /// Starts a program whose standard input is a socket that requests come from and answers go to.
  /// - Returns: nil where it cannot be started.
  package init?(_ start: Start) {
    var ends: [Int32] = [-1, -1]
    guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let (own, other) = (Descriptor(ends[0]), Descriptor(ends[1]))
    _ = fcntl(own.number, F_SETFL, O_NONBLOCK)
    let nothing = unsafe Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
    guard nothing >= 0 else { return nil }
    let silence = Descriptor(nothing)
    guard let identifier = Spawning.start(start.executable, start.arguments, [:], [other, silence, silence])
    else { return nil }
    self.identifier = identifier
    channel = own
    other.close()
  }

  deinit { if failure == nil { _ = end() } }

  /// Whether it has failed and answers no more.
  package var hasEnded: Bool { failure != nil }

  /// Sends a request, whose answer has `limit` from here on.
  package func ask(_ request: [UInt8], within limit: Duration) throws(Failure) {
    if let failure { throw failure }
    deadline = ContinuousClock.now + limit
    var sent = 0
    while sent < request.count {
      let count = unsafe request.withUnsafeBytes { bytes in
        unsafe send(channel.number, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count > 0 { sent += count } else { try wait(for: POLLOUT) }
    }
  }

  /// Fills `buffer` with the next bytes of the answer.
  package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) {
    if let failure { throw failure }
    var filled = 0
    while filled < buffer.count {
      let count = unsafe recv(channel.number, buffer.baseAddress! + filled, buffer.count - filled, 0)
      if count == 0 { throw fail(.ended(end())) }
      if count > 0 { filled += count } else { try wait(for: POLLIN) }
    }
  }

  /// The next `count` bytes of the answer.
  package func receive(_ count: Int) throws(Failure) -> [UInt8] {
    var failure: Failure?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(Failure) {
        try unsafe receive(into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
        filled = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Ends the process, whose answer makes no sense.
  package func giveUp() -> Failure {
    if let failure { return failure }
    _ = end()
    return fail(.senseless)
  }

  /// What to do after a call that sent or received nothing.
  private func wait(for event: Int32) throws(Failure) {
    guard errno == EAGAIN || errno == EINTR else { throw fail(.ended(end())) }
    let left = deadline - ContinuousClock.now
    guard left > .zero else {
      _ = end()
      throw fail(.ended(.timedOut))
    }
    var polled = pollfd(fd: channel.number, events: Int16(event), revents: 0)
    unsafe poll(&polled, 1, Int32(min(left / .milliseconds(1) + 1, 1_000)))
  }

  private func fail(_ failure: Failure) -> Failure {
    self.failure = failure
    return failure
  }

  /// Ends the process if it has not ended by itself. One that closes its socket is at its end, and may be given the
  /// time to tell how.
  private func end() -> ChildProcess.Ending {
    channel.close()
    for _ in 0..<Self.patience where !ChildProcess.hasEnded(identifier) { usleep(1_000) }
    kill(-identifier, SIGKILL)
    return ChildProcess.ending(of: identifier)
  }

  /// In milliseconds.
  private static let patience = 100
}

/// The other side: what a process that is asked reads and writes.
package enum AskingProcess {
  /// The next `count` bytes of a request; nil where there are none any more.
  package static func receive(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe recv(STDIN_FILENO, buffer.baseAddress! + filled, count - filled, 0)
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return nil }
      filled += got
    }
    return bytes
  }

  /// Sends a part of an answer.
  package static func send(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.send(STDIN_FILENO, buffer.baseAddress! + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      sent += count
    }
  }

  /// Ends this process, and what was started for it, when the other end of standard input is closed: the process that
  /// waits is gone.
  package static func endWithIt() {
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { _ in
        // Without an event to wait for, what is left to tell is that nobody is there.
        var polled = pollfd(fd: STDIN_FILENO, events: 0, revents: 0)
        while unsafe poll(&polled, 1, -1) <= 0 {}
        // One that is confined may end nobody but itself, and has started nothing.
        if OwnLimits.isConfined { _exit(0) }
        kill(0, SIGKILL)
        return nil
      }, nil)
    if status == 0 { pthread_detach(thread) }
  }
}

/// What a process takes from itself before it reads what may make it go astray. There is no way back.
package enum OwnLimits {
  /// No more than `bytes` of address space, no file written, no core left behind.
  package static func apply(addressSpace bytes: Int) {
    lower(RLIMIT_AS, to: rlim_t(bytes))
    lower(RLIMIT_FSIZE, to: 0)
    lower(RLIMIT_CORE, to: 0)
  }

  /// No more than `bytes` of memory of its own.
  package static func apply(data bytes: Int) { lower(RLIMIT_DATA, to: rlim_t(bytes)) }

  /// No file, socket or device is opened from here on.
  package static func openNothing() { lower(RLIMIT_NOFILE, to: 0) }

  /// Nothing is asked of the system but memory and what it takes to read and write what is open (`legrad_sandbox_enter`).
  /// - Returns: 0, or the system's errno where this process cannot be confined.
  package static func confine() -> Int32 {
    let failure = legrad_sandbox_enter()
    if failure == 0 { confined.store(true, ordering: .releasing) }
    return failure
  }

  fileprivate static var isConfined: Bool { confined.load(ordering: .acquiring) }

  private static let confined = Atomic(false)

  private static func lower(_ resource: __rlimit_resource, to value: rlim_t) {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0, limit.rlim_cur > value else { return }
    limit = rlimit(rlim_cur: value, rlim_max: min(value, limit.rlim_max))
    _ = unsafe setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
  }
}
