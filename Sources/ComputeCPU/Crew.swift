import Compute
import Failures
import Glibc
import Processes

/// The threads of a backend and the memory that each works in, used by one operation at a time.
///
/// Unchecked because of the scratch memory, which only the operation inside `alone` touches.
@safe final class Crew: @unchecked Sendable {
  private let pool: WorkerPool
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var scratch: [AlignedMemory?]
  private var shared: AlignedMemory?

  init(threadCount: Int, budget: ThreadBudget? = nil) {
    pool = WorkerPool(threadCount: threadCount, budget: budget)
    scratch = Array(repeating: nil, count: pool.threadCount)
    unsafe mutex = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  var threadCount: Int { pool.threadCount }

  func alone<E: Error>(_ operation: (Crew) throws(E) -> Void) throws(E) {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    try operation(self)
  }

  /// `count` floats that all threads share, kept and reused by later operations.
  func sharedScratch(_ count: Int, operation: OperationName) throws(BackendError) -> UnsafeMutablePointer<Float> {
    unsafe try Self.grow(&shared, to: count, operation: operation)
  }

  /// Calls `body` with ranges of `0 ..< count` on all threads.
  func run(_ count: Int, grain: Int = 1, _ body: (Int, Int) -> Void) {
    pool.run(count, grain: grain) { range, _ in body(range.lowerBound, range.upperBound) }
  }

  /// Calls a kernel for the rows of `matrix` on all threads.
  func run<Arguments>(
    rowsOf matrix: Matrix<CPUBuffer>, _ arguments: Arguments, _ kernel: (UnsafePointer<Arguments>, Int, Int) -> Void
  ) {
    unsafe withUnsafePointer(to: arguments) { arguments in
      run(matrix.rows, grain: grain(rows: matrix.rows, columns: matrix.columns)) { begin, end in
        unsafe kernel(arguments, begin, end)
      }
    }
  }

  /// Calls a kernel for items `0 ..< count` on all threads, each with `scratchCount` floats of its own.
  func run<Arguments>(
    _ count: Int, _ arguments: Arguments, scratchCount: Int, operation: OperationName,
    _ kernel: (UnsafePointer<Arguments>, Int, Int, UnsafeMutablePointer<Float>) -> Void
  ) throws(BackendError) {
    for thread in scratch.indices { _ = unsafe try Self.grow(&scratch[thread], to: scratchCount, operation: operation) }
    let bases = unsafe scratch.map { unsafe $0!.base.assumingMemoryBound(to: Float.self) }
    unsafe withUnsafePointer(to: arguments) { arguments in
      pool.run(count, grain: 1) { range, thread in
        unsafe kernel(arguments, range.lowerBound, range.upperBound, bases[thread])
      }
    }
  }

  /// Items per range when the work on rows is so small that a thread should take several.
  func grain(rows: Int, columns: Int) -> Int {
    let few = max(1, 4096 / max(columns, 1))
    return max(few, (rows + 4 * threadCount - 1) / (4 * threadCount))
  }

  private static func grow(
    _ memory: inout AlignedMemory?, to count: Int, operation: OperationName
  ) throws(BackendError) -> UnsafeMutablePointer<Float> {
    if let memory, memory.bytes / MemoryLayout<Float>.size >= count {
      return unsafe memory.base.assumingMemoryBound(to: Float.self)
    }
    memory = nil
    let grown = try AlignedMemory(count: max(count, 1), elementSize: MemoryLayout<Float>.size, operation: operation)
    memory = grown
    return unsafe grown.base.assumingMemoryBound(to: Float.self)
  }
}
