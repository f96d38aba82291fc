import ArgumentParser
import Compute
import Failures
import Files
import LeGrad
import Processes

/// The variables that the command reads, other than those of launchers (`Shard.resolve`) and of the terminal.
enum Environment {
  /// Where what can be computed again is kept: `LEGRAD_CACHE` (empty for nowhere), else the user's cache folder. The
  /// specification of base directories has relative paths of them ignored.
  static var cacheFolder: String? {
    if let folder = Terminal.environment("LEGRAD_CACHE") { return folder.isEmpty ? nil : folder }
    let base = value("XDG_CACHE_HOME").flatMap { $0.hasPrefix("/") ? $0 : nil }
    return base.map { $0 + "/legrad" } ?? value("HOME").map { $0 + "/.cache/legrad" }
  }

  /// The cache of Hugging Face's hub, where huggingface_hub 2.4.0 has it (`constants.py`).
  static var hubCache: String? {
    if let folder = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") { return expanded(folder) }
    if let home = value("HF_HOME") { return expanded(home) + "/hub" }
    let cache = value("XDG_CACHE_HOME") ?? value("HOME").map { $0 + "/.cache" }
    return cache.map { expanded($0) + "/huggingface/hub" }
  }

  /// The path with the user's folder in place of a tilde.
  private static func expanded(_ path: String) -> String {
    guard path == "~" || path.hasPrefix("~/"), let home = value("HOME") else { return path }
    return home + path.dropFirst()
  }

  /// `LEGRAD_KERNELS`: a folder whose `.cl` files are used instead of the embedded ones.
  private static var kernelFolder: String? { value("LEGRAD_KERNELS") }

  /// `LEGRAD_PTX`: a folder of kernels as PTX (`make ptx`); else the one that a release has beside the program.
  private static var ptxFolder: String? {
    if let folder = value("LEGRAD_PTX") { return folder }
    guard let program = FileTree.resolved(ownExecutable), let slash = program.utf8.lastIndex(of: UInt8(ascii: "/"))
    else { return nil }
    let folder = program[...slash] + "ptx"
    return FileTree.isFolder(String(folder)) ? String(folder) : nil
  }

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

  /// `SLURM_CPUS_PER_TASK`, as far as there are so many: a step need not be bound to what it was given. Nil without it.
  private static var threads: Int? {
    value("SLURM_CPUS_PER_TASK").flatMap { Int($0) }.flatMap { $0 > 0 ? min($0, ProcessorAllowance.count()) : nil }
  }

  /// This program, whatever its file is called by now.
  static let ownExecutable = "/proc/self/exe"

  /// A process of this program that runs a command without arguments.
  static func process(_ command: any ParsableCommand.Type) -> AnsweringProcess.Start {
    .init(executable: ownExecutable, arguments: [command.configuration.commandName ?? ""])
  }

  /// Said once by a process: whatever is computed again for lack of a place is no failure, and takes time.
  private static let noteOnCache: Void = {
    guard let folder = cacheFolder, let reason = SealedCache.obstacle(in: folder) else { return }
    Terminal.note(
      "nothing is kept for the next time: \(folder): \(reason); set LEGRAD_CACHE to a folder of your own, or to nothing"
    )
  }()

  static func options() throws(LeGradError) -> Explainer.Options {
    _ = noteOnCache
    var options = Explainer.Options()
    options.instructionSet = try instructionSet()
    options.threads = threads
    options.cacheFolder = cacheFolder
    options.kernelFolder = kernelFolder
    options.ptxFolder = ptxFolder
    options.deviceTrial = DeviceTrial(executable: ownExecutable)
    options.waitsAfterEveryOperation = waitsAfterEveryOperation
    return options
  }

  /// A variable that is set and not empty.
  private static func value(_ name: String) -> String? {
    Terminal.environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
