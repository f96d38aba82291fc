import Compute
import Failures
import LeGrad

/// The variables that the command reads, other than those of launchers (`Shard.resolve`) and of the terminal.
enum Environment {
  /// Where what can be computed again is kept: `LEGRAD_CACHE` (empty for nowhere), else the user's cache folder.
  private static var cacheFolder: String? {
    if let folder = Terminal.environment("LEGRAD_CACHE") { return folder.isEmpty ? nil : folder }
    return value("XDG_CACHE_HOME").map { $0 + "/legrad" } ?? value("HOME").map { $0 + "/.cache/legrad" }
  }

  /// `LEGRAD_KERNELS`: a folder whose `.cl` files are used instead of the embedded ones.
  private static var kernelFolder: String? { value("LEGRAD_KERNELS") }

  /// `LEGRAD_SYNC=1`: waits after every operation on an OpenCL device.
  private static var waitsAfterEveryOperation: Bool { value("LEGRAD_SYNC") == "1" }

  /// `LEGRAD_CPU_ISA`: the instruction set of the CPU.
  private static func instructionSet() throws(LeGradError) -> InstructionSet? {
    guard let name = value("LEGRAD_CPU_ISA") else { return nil }
    guard let set = InstructionSet(rawValue: name) else {
      let known = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
      throw LeGradError(.device, "LEGRAD_CPU_ISA: expected one of \(known), found '\(name)'; choose one, or unset it")
    }
    return set
  }

  static func options() throws(LeGradError) -> Explainer.Options {
    var options = Explainer.Options()
    options.instructionSet = try instructionSet()
    options.cacheFolder = cacheFolder
    options.kernelFolder = kernelFolder
    options.waitsAfterEveryOperation = waitsAfterEveryOperation
    return options
  }

  /// A variable that is set and not empty.
  private static func value(_ name: String) -> String? {
    Terminal.environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
