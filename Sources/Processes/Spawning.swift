package import Glibc
import Synchronization

/// A file descriptor that is closed with its last owner.
package final class Descriptor: Sendable {
  package let number: Int32
  private let isOpen = Atomic(true)

  package init(_ number: Int32) { self.number = number }

  package func close() {
    if isOpen.exchange(false, ordering: .relaxed) { Glibc.close(number) }
  }

  deinit { close() }
}

/// Two ends, neither of which a program that is started inherits.
package struct Pipe {
  package let readEnd, writeEnd: Descriptor

  /// Nil where the process has no descriptors left.
  package init?() {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    readEnd = Descriptor(ends[0])
    writeEnd = Descriptor(ends[1])
  }
}

extension pid_t {
  /// Starts a program in a group of its own, so that what it starts can be ended with it.
  /// - Parameter environment: variables that are set in place of this process's.
  /// - Returns: nil where it cannot be started.
  package static func spawning(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: Descriptor,
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
    // Signals as a shell would hand them on.
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

  /// Waits for the end of this process, a child of ours, which is then forgotten.
  package func ending() -> ChildProcess.Ending {
    var status: Int32 = 0
    var answer: pid_t
    repeat { answer = unsafe waitpid(self, &status, 0) } while answer < 0 && errno == EINTR
    // A host that ignores its children's ends is told nothing of them.
    guard answer > 0 else { return .exited(status: 0) }
    let signal = status & 0x7F
    return signal == 0 ? .exited(status: (status >> 8) & 0xFF) : .died(signal: signal)
  }
}
