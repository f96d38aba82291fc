import Glibc

/// How a program ended that was run in a process of its own, and what it said.
package struct ChildProcess {
  package enum Ending: Equatable {
    case exited(status: Int32)
    case died(signal: Int32)
    case timedOut
  }

  package let ending: Ending
  package let output: [UInt8]
  /// The last bytes of standard error.
  package let errors: [UInt8]

  /// What is kept of each stream.
  private static let outputLimit = 1 << 24
  private static let errorLimit = 1 << 16
  /// How often an end is looked for that no stream tells.
  private static let interval: Duration = .milliseconds(50)

  /// Runs a program to its end, or to that of `limit`, when it and what it started are killed.
  ///
  /// Its standard input is a pipe that ends with this process, so that it can notice that nobody waits for it.
  /// - Parameter environment: variables that are set in place of this process's.
  /// - Returns: nil where it cannot be started.
  package static func run(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], limit: Duration?
  ) -> ChildProcess? {
    guard let input = Pipe(), let output = Pipe(), let errors = Pipe(),
      let process = Spawning.start(
        executable, arguments, environment, [input.readEnd, output.writeEnd, errors.writeEnd])
    else { return nil }
    for end in [input.readEnd, output.writeEnd, errors.writeEnd] { end.close() }
    var streams = [
      Stream(output.readEnd, keepsFirst: outputLimit), Stream(errors.readEnd, keepsLast: errorLimit),
    ]
    let deadline = limit.map { ContinuousClock.now + $0 }
    var isLate = false
    while !hasEnded(process), !isLate {
      Stream.wait(for: streams, atMost: interval)
      for index in streams.indices { streams[index].take() }
      isLate = deadline.map { ContinuousClock.now >= $0 } ?? false
    }
    // What a driver's helpers still hold open is not waited for. The process is not yet forgotten, and its number no
    // other's.
    kill(-process, SIGKILL)
    let ending = ending(of: process)
    for index in streams.indices { streams[index].take() }
    input.writeEnd.close()
    return ChildProcess(ending: isLate ? .timedOut : ending, output: streams[0].bytes, errors: streams[1].bytes)
  }

  /// The last line of standard error that says something.
  package var lastWords: String {
    let lines = String(decoding: errors, as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.last { !$0.allSatisfy(\.isWhitespace) }.map { String($0.prefix(300)) } ?? ""
  }

  /// Whether the process has ended, or is not to be waited for.
  static func hasEnded(_ process: pid_t) -> Bool {
    var info = unsafe siginfo_t()
    let answer = unsafe waitid(P_PID, id_t(process), &info, WEXITED | WNOHANG | WNOWAIT)
    return unsafe answer != 0 || info.si_signo == SIGCHLD
  }

  /// How the process ended, which is then forgotten.
  static func ending(of process: pid_t) -> Ending {
    var status: Int32 = 0
    var answer: pid_t
    repeat { answer = unsafe waitpid(process, &status, 0) } while answer < 0 && errno == EINTR
    // A host that ignores its children's ends is told nothing of them.
    guard answer > 0 else { return .exited(status: 0) }
    let signal = status & 0x7F
    return signal == 0 ? .exited(status: (status >> 8) & 0xFF) : .died(signal: signal)
  }
}

/// What comes through a pipe.
private struct Stream {
  private let end: Descriptor
  private let keepsFirst: Int?
  private let keepsLast: Int
  private(set) var bytes: [UInt8] = []
  private var isOver = false

  init(_ end: Descriptor, keepsFirst: Int? = nil, keepsLast: Int = .max) {
    self.end = end
    self.keepsFirst = keepsFirst
    self.keepsLast = keepsLast
    // Taken as it comes, never waited for.
    _ = fcntl(end.number, F_SETFL, O_NONBLOCK)
  }

  /// Waits until one of them has something, or is over.
  static func wait(for streams: [Stream], atMost time: Duration) {
    var polled = streams.filter { !$0.isOver }.map { pollfd(fd: $0.end.number, events: Int16(POLLIN), revents: 0) }
    let milliseconds = Int32(time / .milliseconds(1))
    // With both over, the process itself is about to end.
    unsafe poll(&polled, nfds_t(polled.count), polled.isEmpty ? min(milliseconds, 5) : milliseconds)
  }

  /// Takes what is there.
  mutating func take() {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while !isOver {
      let count = unsafe read(end.number, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return }
      guard count > 0 else {
        isOver = true
        return
      }
      bytes += buffer.prefix(count)
      if let keepsFirst, bytes.count > keepsFirst { bytes.removeLast(bytes.count - keepsFirst) }
      if bytes.count > keepsLast { bytes.removeFirst(bytes.count - keepsLast) }
    }
  }
}
