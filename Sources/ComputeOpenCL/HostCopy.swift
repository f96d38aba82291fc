/// A copy of values in host memory at a fixed address, for commands that read it later.
@safe final class HostCopy {
  let bytes: UnsafeMutableRawBufferPointer
  private var isAbandoned = false

  init<Element: BitwiseCopyable>(_ values: Span<Element>) {
    unsafe bytes = .allocate(
      byteCount: max(values.count, 1) * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment)
    let destination = unsafe bytes
    unsafe values.withUnsafeBytes { unsafe destination.copyMemory(from: $0) }
  }

  /// Leaves the memory to whoever still reads it; it is not freed.
  func abandon() { isAbandoned = true }

  deinit { if !isAbandoned { unsafe bytes.deallocate() } }
}
