import Compute
import Failures
import Glibc
import Processes

/// Uninitialised memory that starts on a cache line, freed with its owner.
///
/// Unchecked because it owns a raw pointer: the address never changes, and who may write when is settled by the
/// owner, as it is for any shared buffer.
@safe final class AlignedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let bytes: Int

  /// Takes `count` elements of `elementSize` bytes; what cannot be had is thrown with its size.
  init(count: Int, elementSize: Int, operation: OperationName) throws(BackendError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: elementSize)
    guard count >= 0, !overflow, bytes <= Int.max - Self.hugePage else {
      throw BackendError(
        .outOfMemory, operation: operation, "\(count) elements of \(elementSize) bytes exceed the address space",
        bytesNeeded: Int.max)
    }
    // Huge pages where they fit: fewer page faults, and strided reads of large weights miss no page entry.
    let isLarge = bytes >= 2 * Self.hugePage
    var address: UnsafeMutableRawPointer?
    // What the system promises it may not be able to give, and what is left to others must be enough for them.
    let isThere = bytes < Self.smallSize || MemoryAllowance.canTake(bytes)
    let status =
      isThere ? unsafe posix_memalign(&address, isLarge ? Self.hugePage : 64, max(bytes, 64)) : ENOMEM
    guard status == 0, let address = unsafe address else {
      throw BackendError(
        .outOfMemory, operation: operation, "\(bytes) bytes of memory could not be had", bytesNeeded: bytes)
    }
    #if os(Linux)
      if isLarge { _ = unsafe madvise(address, bytes, MADV_HUGEPAGE) }
    #endif
    unsafe base = address
    self.bytes = bytes
  }

  deinit { unsafe free(base) }

  private static let hugePage = 1 << 21
  /// Pieces that nobody asks the system for.
  private static let smallSize = 1 << 20
}
