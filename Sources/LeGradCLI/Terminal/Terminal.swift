import Failures
import Files
import Glibc
import LeGrad
import Synchronization

enum Terminal {
  /// What a progress bar has drawn on standard error's last line, to be wiped before anything else is written.
  private static let hasTransientLine = Mutex(false)
  private static let delivery = Mutex(Delivery.unused)

  /// What became of the results.
  enum Delivery: Equatable {
    /// There are none.
    case unused
    case whole
    /// The reader has seen enough and closed the pipe (`legrad … | head`).
    case unread
    /// The system's error code.
    case lost(Int32)

    /// Why results did not arrive; nil where they did, or nobody wanted more.
    var fault: Message? {
      guard case .lost(let code) = self else { return nil }
      return "standard output: expected all results to be written, found: \(systemMessage(code)); send them to a file "
        + "or pipe with room for them"
    }
  }

  /// Results. After a part that did not arrive there are no more: a hole would look like all of them.
  static func out(_ text: String) {
    wipeTransientLine()
    delivery.withLock { delivery in
      guard delivery == .unused || delivery == .whole else { return }
      switch write(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO) {
      case nil: delivery = .whole
      case EPIPE: delivery = .unread
      case let code?: delivery = .lost(code)
      }
    }
  }

  /// Ends standard output, where some systems say only then that there was no room (NFS, quotas).
  static func closeOutput() -> Delivery {
    delivery.withLock { delivery in
      if delivery == .whole, close(STDOUT_FILENO) != 0, errno != EINTR { delivery = .lost(errno) }
      return delivery
    }
  }

  /// One line about something that failed.
  static func error(_ line: String) { message("legrad: " + line) }

  /// One line that a reader should know and that is no error.
  static func note(_ line: String) { message("note: " + line) }

  private static func message(_ line: String) {
    wipeTransientLine()
    write(line.printable + "\n", to: STDERR_FILENO)
  }

  /// Draws a line on standard error that the next output wipes.
  static func transient(_ line: String) {
    hasTransientLine.withLock { $0 = true }
    write("\r\u{1B}[K" + line, to: STDERR_FILENO)
  }

  static func wipeTransientLine() {
    let had = hasTransientLine.withLock { had in
      defer { had = false }
      return had
    }
    if had { write("\r\u{1B}[K", to: STDERR_FILENO) }
  }

  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// Bold text where standard output is a terminal that may be coloured.
  static func heading(_ text: String) -> String {
    let isPlain = environment("NO_COLOR").map { !$0.isEmpty } ?? false
    guard isTerminal(STDOUT_FILENO), !isPlain, environment("TERM") != "dumb" else { return text }
    return "\u{1B}[1m" + text + "\u{1B}[0m"
  }

  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe FilePath(cString: value).text
  }

  /// Columns of the terminal on standard error.
  static var columns: Int {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// - Returns: the system's error code; nil where all was written.
  @discardableResult
  private static func write(_ text: String, to descriptor: Int32) -> Int32? {
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        // Whoever shares the pipe may have made it so that writing does not wait.
        var place = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&place, 1, -1)
        continue
      }
      guard count > 0 else { return count < 0 ? errno : EIO }
      offset += count
    }
    return nil
  }
}

extension String {
  /// The text fit for a line of a terminal.
  var printable: String { Failures.printable(self, limit: .max) }
}
