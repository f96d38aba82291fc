/// A copy of values in host memory at a fixed address, for commands that read it later.
@safe final class HostCopy {
  let bytes: UnsafeMutableRawBufferPointer

  init<Element: BitwiseCopyable>(_ values: Span<Element>) {
    unsafe bytes = .allocate(
      byteCount: max(values.count, 1) * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment)
    let destination = unsafe bytes
    unsafe values.withUnsafeBytes { unsafe destination.copyMemory(from: $0) }
  }

  deinit { unsafe bytes.deallocate() }
}
