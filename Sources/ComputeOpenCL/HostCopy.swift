/// Values in host memory at a fixed address, for commands that read them later.
///
/// Unchecked because it owns raw memory, which is written before anybody else sees it and never after.
@safe final class HostCopy: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer
  private var isAbandoned = false

  init<Element: BitwiseCopyable>(_ values: Span<Element>) {
    unsafe bytes = .allocate(
      byteCount: max(values.count, 1) * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment)
    let destination = unsafe bytes
    unsafe values.withUnsafeBytes { unsafe destination.copyMemory(from: $0) }
  }

  /// Memory that `fill` writes.
  init<Failure: Error>(byteCount: Int, fill: (UnsafeMutableRawPointer) throws(Failure) -> Void) throws(Failure) {
    unsafe bytes = .allocate(byteCount: max(byteCount, 1), alignment: 64)
    guard let start = unsafe bytes.baseAddress else { return }
    unsafe try fill(start)
  }

  /// Leaves the memory to whoever still reads it; it is never freed.
  func abandon() { isAbandoned = true }

  deinit { if !isAbandoned { unsafe bytes.deallocate() } }

  /// The first byte, for as long as the copy lives.
  var start: UnsafeRawPointer? { unsafe UnsafeRawPointer(bytes.baseAddress) }
}
