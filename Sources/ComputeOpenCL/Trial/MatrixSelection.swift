import Compute
import OpenCLRuntime
import Synchronization

/// Finds out by trying which matrix instructions a device's compiler takes and computes right with.
enum MatrixSelection {
  /// What the matrix variant multiplies with on a device.
  struct Choice: Sendable {
    let set: MatrixSet
    /// Why it is plain OpenCL C, where instructions were tried.
    let problem: BackendError?
  }

  private static let chosen = Mutex<[String: Choice]>([:])

  /// The instructions for `device`, or plain OpenCL C where none are right; a device is tried once in a process with the
  /// same kernels.
  static func choose(for device: OpenCLDevice, options: OpenCLBackend.Options) throws(BackendError) -> Choice {
    if let set = options.matrixSet { return Choice(set: set, problem: nil) }
    let key = options.triedKernels(on: device)
    if let known = chosen.withLock({ $0[key] }) { return known }
    var problem: BackendError?
    for instructions in MatrixInstructions.candidates(for: device) {
      let set = MatrixSet(instructions: instructions, isPlain: false)
      do throws(BackendError) {
        try Trial.check(set, on: device, options)
        let choice = Choice(set: set, problem: nil)
        chosen.withLock { $0[key] = choice }
        return choice
      } catch {
        // Memory says nothing about instructions; one that does not build or is wrong is out.
        if error.code == .outOfMemory { throw error }
        problem = problem ?? error
      }
    }
    let choice = Choice(set: .plain, problem: problem)
    if problem.map(Trial.lasts) ?? true { chosen.withLock { $0[key] = choice } }
    return choice
  }
}
