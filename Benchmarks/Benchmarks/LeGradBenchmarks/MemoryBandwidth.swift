import Dispatch
import Glibc

/// How fast this machine copies memory.
enum MemoryBandwidth {
  /// All that is copied: more than the last-level cache of most machines, so that a part is gone from the cache when
  /// its next turn comes.
  private static let bytes = 256 << 20
  /// Each is timed by itself, so that some fall between the turns of other processes.
  private static let parts = 16
  private static let rounds = 3

  /// Bytes per second, read and written, of the C library's copy on `threads` threads: the best part, since whatever
  /// else runs can only slow one down.
  static func measure(threads: Int) -> Double {
    let blocks = Blocks(number: parts * threads, size: bytes / parts / threads)
    // Touched first by the threads, so that the pages are there.
    DispatchQueue.concurrentPerform(iterations: parts * threads) { blocks.touch($0) }
    var best = 0.0
    for part in 0..<parts * rounds {
      let first = part % parts * threads
      let time = ContinuousClock().measure {
        DispatchQueue.concurrentPerform(iterations: threads) { blocks.copy(first + $0) }
      }
      best = max(best, Double(2 * blocks.size * threads) / (time / .seconds(1)))
    }
    return best
  }
}

/// Two arrays in blocks. Unchecked because of the pointers: each thread keeps to its own block.
@safe private final class Blocks: @unchecked Sendable {
  private let source: UnsafeMutableRawPointer
  private let destination: UnsafeMutableRawPointer
  let size: Int

  init(number: Int, size: Int) {
    unsafe source = .allocate(byteCount: number * size, alignment: 64)
    unsafe destination = .allocate(byteCount: number * size, alignment: 64)
    self.size = size
  }

  deinit {
    unsafe source.deallocate()
    unsafe destination.deallocate()
  }

  func touch(_ number: Int) {
    unsafe memset(source + number * size, 1, size)
    unsafe memset(destination + number * size, 2, size)
  }

  func copy(_ number: Int) {
    unsafe memcpy(destination + number * size, source + number * size, size)
  }
}
