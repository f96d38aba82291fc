import CAllocator
import Failures
import Glibc
import LeGrad
import Processes

/// What of memory is settled before a command begins.
enum MemoryStart {
  /// Below this no command gets as far as to ask for memory.
  private static let least = 64 << 20

  /// To be called before other threads exist.
  /// - Throws: where the process may take too little to tell later.
  static func settle() throws(LeGradError) {
    let available = MemoryAllowance.available()
    if hasAddressLimit { legrad_share_one_arena() }
    guard available >= least else {
      throw LeGradError(
        .memory,
        "expected at least \(least >> 20) MiB of memory to start with, found \(available >> 20) MiB; raise the limit of "
          + "the process (ulimit -v, ulimit -d), of its container or of the machine")
    }
  }

  private static var hasAddressLimit: Bool {
    var limit = rlimit()
    return unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 && limit.rlim_cur < rlim_t.max
  }
}
