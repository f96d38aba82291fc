import CMappedFiles
import Failures
import Glibc
import Processes

/// Read-only bytes of a regular file, mapped or read piece by piece, or of somebody's memory.
///
/// One that another program cuts short meanwhile, or whose disk or network fails, is an error: of a mapped file the bytes
/// that cannot be had read as zeros until whoever reads them asks for it.
package final class FileBytes: Sendable {
  package let path: String
  package let size: Int

  private let descriptor: Int32
  /// Address of the map, 0 when the file is read piece by piece.
  private let base: UInt
  /// What `CMappedFiles` calls the map.
  private let map: Int32
  /// When the file was last written to.
  private let modified: timespec
  /// Who keeps the bytes where they are; nil for those of a file.
  private let lender: (any AnyObject & Sendable)?

  private static let mappedChunk = 16 << 20
  private static let readChunk = 1 << 20

  /// Opens the regular file at `path`. Symbolic links are followed; a pipe or a device is refused without waiting for
  /// it.
  package init(path: String, mapped: Bool) throws(FileError) {
    let descriptor = uninterrupted { unsafe open(path.fileSystemBytes, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw .opening(path) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let error = FileError.opening(path)
      close(descriptor)
      throw error
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .notRegular(path, mode: status.st_mode)
    }
    var (base, map): (UInt, Int32) = (0, -1)
    if mapped, status.st_size > 0 {
      let start = unsafe mmap(nil, status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
      if let start = unsafe start, unsafe start != MAP_FAILED {
        unsafe map = legrad_map_watch(start, status.st_size)
        if map >= 0 { base = UInt(bitPattern: start) } else { unsafe munmap(start, status.st_size) }
      }
    }
    self.path = path
    self.size = status.st_size
    self.descriptor = descriptor
    self.base = base
    self.map = map
    modified = status.st_mtim
    lender = nil
  }

  /// Bytes that lie in memory, which is neither copied nor given back.
  /// - Parameters:
  ///   - bytes: stay there unchanged while `lender` lives.
  ///   - lender: kept for as long as this.
  ///   - name: what errors call them.
  package init(lent bytes: UnsafeRawBufferPointer, by lender: any AnyObject & Sendable, name: String) {
    path = name
    size = bytes.count
    descriptor = -1
    base = unsafe bytes.baseAddress.map { UInt(bitPattern: $0) } ?? 0
    map = -1
    modified = timespec()
    self.lender = lender
  }

  deinit {
    guard lender == nil else { return }
    if base != 0 {
      legrad_map_forget(map)
      unsafe munmap(UnsafeMutableRawPointer(bitPattern: base), size)
    }
    close(descriptor)
  }

  /// Calls `body` with consecutive pieces of `range`; each starts a multiple of 8 bytes after the range's start. `body`
  /// returns whether to go on. Pages of a map are given back after each piece.
  package func forEachChunk(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Bool
  ) throws(FileError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= size)
    if lender != nil {
      guard !range.isEmpty else { return }
      _ = unsafe body(UnsafeRawBufferPointer(start: address(range.lowerBound), count: range.count))
    } else if base == 0 {
      try unsafe readChunks(of: range, body)
    } else {
      try unsafe mapChunks(of: range, body)
    }
  }

  /// A copy of the bytes in `range`.
  package func bytes(_ range: Range<Int>) throws(FileError) -> [UInt8] {
    try checkMemory(for: range.count)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    try unsafe forEachChunk(of: range) { chunk in
      unsafe bytes.append(contentsOf: chunk)
      return true
    }
    return bytes
  }

  /// Throws where the process may not take `count` bytes for what the file holds. To be called before they are taken.
  package func checkMemory(for count: Int) throws(FileError) {
    guard count < Self.readChunk || MemoryAllowance.canTake(count) else { throw .outOfMemory(path, bytes: count) }
  }

  package var isMapped: Bool { base != 0 }

  /// Whether bytes of the map could not be had when they were read: what was computed with them is wrong.
  package var wasLost: Bool { map >= 0 && legrad_map_was_lost(map) }

  /// Where the bytes of `range` are in the map, brought into memory; valid while this object lives. Nil without a map, and
  /// where they cannot be read or the file was written to since it was opened. Who has read them asks `wasLost`.
  package func bringIn(_ range: Range<Int>) -> UnsafeRawPointer? {
    precondition(range.lowerBound >= 0 && range.upperBound <= size)
    guard lender == nil else { return unsafe address(range.lowerBound) }
    var status = stat()
    guard base != 0, !wasLost, unsafe fstat(descriptor, &status) == 0, status.st_size == size,
      status.st_mtim.tv_sec == modified.tv_sec, status.st_mtim.tv_nsec == modified.tv_nsec
    else { return nil }
    let (pages, count) = unsafe pages(of: range)
    if unsafe madvise(pages, count, populateForReading) != 0, errno == EFAULT { return nil }
    return unsafe address(range.lowerBound)
  }

  private func address(_ offset: Int) -> UnsafeRawPointer? {
    unsafe UnsafeRawPointer(bitPattern: base + UInt(offset))
  }

  /// Gives the pages of a map back, which are brought in again where they are read.
  package func letGo(_ range: Range<Int>) {
    guard base != 0, lender == nil else { return }
    let (pages, count) = unsafe pages(of: range)
    _ = unsafe madvise(pages, count, MADV_DONTNEED)
  }

  /// The pages of the map from the first byte of `range` to its last.
  private func pages(of range: Range<Int>) -> (UnsafeMutableRawPointer?, Int) {
    let page = max(4096, sysconf(Int32(_SC_PAGESIZE)))
    let first = range.lowerBound & ~(page - 1)
    return unsafe (UnsafeMutableRawPointer(bitPattern: base + UInt(first)), range.upperBound - first)
  }

  private var cut: FileError {
    FileError(
      .unreadable, path, expected: "\(size) bytes", found: "fewer, or a read error",
      remedy: "the file was cut while in use or the disk fails; fetch it again")
  }

  private func mapChunks(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Bool
  ) throws(FileError) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + Self.mappedChunk, range.upperBound)
      let (pages, count) = unsafe pages(of: start..<end)
      // Older systems answer EINVAL and bring pages in on access instead.
      if unsafe madvise(pages, count, populateForReading) != 0, errno == EFAULT { throw cut }
      let chunk = unsafe UnsafeRawBufferPointer(
        start: UnsafeRawPointer(bitPattern: base + UInt(start)), count: end - start)
      let goOn = unsafe body(chunk)
      guard !wasLost else { throw cut }
      _ = unsafe madvise(pages, count, MADV_DONTNEED)
      guard goOn else { return }
      start = end
    }
  }

  private func readChunks(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Bool
  ) throws(FileError) {
    let capacity = max(1, min(Self.readChunk, range.count))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    defer { unsafe buffer.deallocate() }
    var start = range.lowerBound
    while start < range.upperBound {
      let count = min(capacity, range.upperBound - start)
      var filled = 0
      while filled < count {
        let got = uninterrupted {
          unsafe pread(descriptor, buffer.baseAddress! + filled, count - filled, start + filled)
        }
        guard got > 0 else { throw cut }
        filled += got
      }
      guard unsafe body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { return }
      start += count
    }
  }
}

/// MADV_POPULATE_READ of Linux 5.14, absent from older C headers: brings pages in, or says why that fails.
private let populateForReading: Int32 = 22
