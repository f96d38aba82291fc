import Glibc

/// Starts programs in processes of their own.
enum Spawning {
  /// - Parameters:
  ///   - environment: variables that are set in place of this process's.
  ///   - descriptors: what become its standard input, output and errors.
  /// - Returns: nil where it cannot be started.
  static func start(
    _ executable: String, _ arguments: [String], _ environment: [String: String], _ descriptors: [Descriptor]
  ) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    guard unsafe posix_spawn_file_actions_init(&actions) == 0 else { return nil }
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    guard unsafe posix_spawnattr_init(&attributes) == 0 else { return nil }
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    for (number, descriptor) in descriptors.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor.number, Int32(number))
    }
    // A group of its own, so that what it starts ends with it; signals as a shell would hand them on.
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
}

/// A file descriptor that is closed with its last owner.
final class Descriptor {
  let number: Int32
  private var isOpen = true

  init(_ number: Int32) { self.number = number }

  func close() {
    if isOpen { Glibc.close(number) }
    isOpen = false
  }

  deinit { close() }
}

struct Pipe {
  let readEnd, writeEnd: Descriptor

  init?() {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    readEnd = Descriptor(ends[0])
    writeEnd = Descriptor(ends[1])
  }
}
