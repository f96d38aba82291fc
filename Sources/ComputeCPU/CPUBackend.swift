import CSimd
public import Compute
import Failures
import Glibc
package import Processes
import Synchronization

/// The operations on the processor, with vector instructions chosen at run time and a pool of threads.
///
/// Operations are done when they return. They may be called from several tasks: one runs at a time. Results are
/// the same bits for any number of threads; between instruction sets they differ by rounding.
public final class CPUBackend: Backend {
  public typealias Buffer = CPUBuffer
  public typealias Weight = CPUWeight

  public let precision: Precision
  public let instructionSet: InstructionSet

  let kernels: Kernels
  /// Whether products with bfloat16 weights round their left operand too and multiply pairs.
  let multipliesPairs: Bool
  private let crew: Crew
  private let counters = Mutex(Traffic())

  /// - Parameters:
  ///   - precision: how weights are stored. The left operands of products stay float32, except that a machine with
  ///     bfloat16 products rounds them for `bf16` weights.
  ///   - threads: where nil, one for each processor that the process may run on and has the time of.
  ///   - instructionSet: the best that the machine has where nil; the environment variable `LEGRAD_CPU_ISA`
  ///     (`portable`, `avx2`, `avx512`, `avx512bf16`) forces one.
  /// - Throws: `unavailable` for an instruction set that the machine lacks or an unknown name.
  public convenience init(
    precision: Precision = .f32, threads: Int? = nil, instructionSet: InstructionSet? = nil
  ) throws(BackendError) {
    try self.init(
      precision: precision, threads: threads, instructionSet: instructionSet, multipliesPairs: nil, budget: nil)
  }

  /// - Parameter budget: the threads that this backend shares with others of the process, and as many as it has. Whoever
  ///   calls has a place of its own.
  package convenience init(
    precision: Precision, budget: ThreadBudget, instructionSet: InstructionSet?
  ) throws(BackendError) {
    try self.init(
      precision: precision, threads: budget.count, instructionSet: instructionSet, multipliesPairs: nil, budget: budget)
  }

  /// With `multipliesPairs` the paired products run on any instruction set, emulated where there is none.
  init(
    precision: Precision, threads: Int?, instructionSet: InstructionSet?, multipliesPairs: Bool?,
    budget: ThreadBudget? = nil
  ) throws(BackendError) {
    let set = instructionSet ?? Self.availableInstructionSets.max() ?? .portable
    guard let kernels = set.kernels else {
      throw BackendError(
        .unavailable, operation: .cpuBackend,
        "this machine has no \(set.rawValue) instructions; it has \(Self.availableNames)")
    }
    if let threads, threads < 1 || threads > 4096 {
      throw BackendError(.unavailable, operation: .cpuBackend, "\(threads) threads; choose from 1 to 4096")
    }
    self.precision = precision
    self.instructionSet = set
    self.kernels = kernels
    self.multipliesPairs = precision == .bf16 && (multipliesPairs ?? kernels.table.multiplies_pairs)
    crew = Crew(threadCount: threads ?? min(ProcessorAllowance.count(), 4096), budget: budget)
  }

  /// What this machine can run, in ascending order; the first is always `portable`.
  public static var availableInstructionSets: [InstructionSet] {
    InstructionSet.allCases.filter { $0.kernels != nil }
  }

  public var threadCount: Int { crew.threadCount }

  public var deviceDescription: String {
    "\(Self.processorName), \(instructionSet.rawValue), \(threadCount) thread\(threadCount == 1 ? "" : "s")"
  }

  public var traffic: Traffic { counters.withLock { $0 } }
  public var peakBytes: Int? { nil }
  public var profile: [String: KernelTime] { [:] }

  func count(_ change: (inout Traffic) -> Void) { counters.withLock { change(&$0) } }

  /// Runs one operation alone, with the threads and their scratch memory.
  func perform<E: Error>(_ operation: (Crew) throws(E) -> Void) throws(E) { try crew.alone(operation) }

  public func synchronize() throws(BackendError) {}

  private static var availableNames: String {
    availableInstructionSets.map(\.rawValue).joined(separator: ", ")
  }

  private static var processorName: String {
    let name = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
      unsafe legrad_cpu_name(buffer.baseAddress, buffer.count)
      return unsafe String(cString: buffer.baseAddress!)
    }
    return name.isEmpty ? "CPU" : name
  }
}
