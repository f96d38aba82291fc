import Glibc

/// Descriptors 0 to 2, some of which a caller may have closed: the next file that is opened would have their number, and
/// messages would be written into it.
enum StandardDescriptors {
  /// Gives those that are closed to /dev/null, the wrong way round: reading an input that is not there, and writing to
  /// such an output, fails as before. To be called before any file is opened.
  static func open() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
      // The system gives the least free number, which is this one, as those below are open.
      let opened = unsafe Glibc.open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
      // In a place without devices.
      if opened < 0 { _ = unsafe Glibc.open("/", O_RDONLY) }
    }
  }
}
