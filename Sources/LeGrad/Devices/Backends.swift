import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import OpenCLRuntime
import Processes
import VisionTransformer

extension Explainer.Options {
  /// The CPU backend of these options.
  /// - Parameter instructionSet: in place of theirs.
  func cpuBackend(precision: Precision, instructionSet: InstructionSet? = nil) throws(BackendError) -> CPUBackend {
    let set = instructionSet ?? self.instructionSet
    if let threadBudget { return try CPUBackend(precision: precision, budget: threadBudget, instructionSet: set) }
    return try CPUBackend(precision: precision, threads: threads, instructionSet: set)
  }

  /// These options with a budget of threads, which all that is made of them shares. A number of threads that is none
  /// stays for the backend to refuse.
  func withThreadBudget() -> Explainer.Options {
    let count = threads ?? min(ProcessorAllowance.count(), Self.mostThreads)
    guard threadBudget == nil, (1...Self.mostThreads).contains(count) else { return self }
    var options = self
    options.threadBudget = ThreadBudget(count: count)
    return options
  }

  private static let mostThreads = 4096

  /// What the vision tower is loaded from, if that is not the model's own weights.
  func visionWeights(of source: any WeightSource) throws(LeGradError) -> (any WeightSource)? {
    guard foldsProjections else { return nil }
    try source.configuration.vision.requireFolding()
    do { return FoldedWeights(source, on: try cpuBackend(precision: .f32)) } catch { throw LeGradError(error) }
  }

  /// A backend of these options on an OpenCL device.
  ///
  /// What a device multiplies fastest is not known before it is measured; float32 is right everywhere.
  func openCLBackend(_ device: OpenCLDevice, streamsWeights: Bool = false) throws(BackendError) -> OpenCLBackend {
    try OpenCLBackend(
      device, precision: precision ?? kernelVariant?.finestPrecision ?? .f32,
      options: openCLOptions(streamsWeights: streamsWeights))
  }

  func openCLOptions(streamsWeights: Bool = false) -> OpenCLBackend.Options {
    var settings = OpenCLBackend.Options()
    settings.variant = kernelVariant
    settings.memoryLimit = memoryLimit
    settings.profiles = profiles
    settings.commandBuffers = commandBuffers
    settings.streamsWeights = streamsWeights
    settings.cacheFolder = cacheFolder
    settings.kernelFolder = kernelFolder
    settings.ptxFolder = ptxFolder
    settings.waitsAfterEveryOperation = waitsAfterEveryOperation
    settings.trial = deviceTrial
    settings.notify = notify
    return settings
  }
}

extension VisionConfiguration {
  /// Refuses a tower whose products do not fold.
  func requireFolding() throws(LeGradError) {
    guard let obstacle = foldingObstacle else { return }
    throw LeGradError(.usage, "the tower's products do not fold into one: \(obstacle); leave \(Subject.fold) out")
  }
}
