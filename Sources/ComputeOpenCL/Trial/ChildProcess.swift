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
      let process = spawn(
        executable, arguments, environment, input: input.readEnd, output: output.writeEnd, errors: errors.writeEnd)
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

  private static func spawn(
    _ executable: String, _ arguments: [String], _ environment: [String: String], input: Descriptor,
    output: Descriptor, errors: Descriptor
  ) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    guard unsafe posix_spawn_file_actions_init(&actions) == 0 else { return nil }
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    guard unsafe posix_spawnattr_init(&attributes) == 0 else { return nil }
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    for (descriptor, number) in [(input, 0), (output, 1), (errors, 2)] {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor.number, Int32(number))
    }
    // A group of its own, so that what a driver starts ends with it; signals as a shell would hand them on.
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var pipe = sigset_t()
    unsafe sigemptyset(&pipe)
    unsafe sigaddset(&pipe, SIGPIPE)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &pipe)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([executable] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var variables: [UnsafeMutablePointer<CChar>?] = unsafe []
    defer { for index in unsafe variables.indices { unsafe free(variables[index]) } }
    var index = 0
    while let variable = unsafe environ[index] {
      let text = unsafe String(cString: variable)
      if !environment.keys.contains(where: { text.hasPrefix($0 + "=") }) { unsafe variables.append(strdup(variable)) }
      index += 1
    }
    for (name, value) in environment { unsafe variables.append(strdup("\(name)=\(value)")) }
    unsafe variables.append(nil)
    var process: pid_t = 0
    let status = unsafe posix_spawn(&process, executable, &actions, &attributes, &words, &variables)
    return status == 0 ? process : nil
  }

  /// Whether the process has ended, or is not to be waited for.
  private static func hasEnded(_ process: pid_t) -> Bool {
    var info = unsafe siginfo_t()
    let answer = unsafe waitid(P_PID, id_t(process), &info, WEXITED | WNOHANG | WNOWAIT)
    return unsafe answer != 0 || info.si_signo == SIGCHLD
  }

  /// How the process ended, which is then forgotten.
  private static func ending(of process: pid_t) -> Ending {
    var status: Int32 = 0
    var answer: pid_t
    repeat { answer = unsafe waitpid(process, &status, 0) } while answer < 0 && errno == EINTR
    // A host that ignores its children's ends is told nothing of them.
    guard answer > 0 else { return .exited(status: 0) }
    let signal = status & 0x7F
    return signal == 0 ? .exited(status: (status >> 8) & 0xFF) : .died(signal: signal)
  }
}

/// A file descriptor that is closed with its last owner.
private final class Descriptor {
  let number: Int32
  private var isOpen = true

  init(_ number: Int32) { self.number = number }

  func close() {
    if isOpen { Glibc.close(number) }
    isOpen = false
  }

  deinit { close() }
}

private struct Pipe {
  let readEnd, writeEnd: Descriptor

  init?() {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    readEnd = Descriptor(ends[0])
    writeEnd = Descriptor(ends[1])
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
