public import Compute
import ComputeCPU
import ComputeOpenCL
public import Failures
public import OperationSamples

/// The self-check of one device in one variant: every operation in the bundled model's sizes, then one whole
/// explanation, against a backend that is trusted.
public struct DeviceCheck: Sendable {
  public let device: DeviceSummary
  /// Nil where none could be opened and none was asked for.
  public let variant: DeviceVariant?
  /// What it was compared with, for people.
  public let reference: String
  /// Why nothing could be checked.
  public let failure: Message?
  public let operations: [OperationCheck]
  public let explanation: ExplanationCheck?

  /// Checks an OpenCL device against the native CPU backend, and the native CPU backend against its portable inner
  /// loops.
  /// - Parameters:
  ///   - device: one of `DeviceSummary.all(_:)`.
  ///   - variant: of an OpenCL device; the one that it would use where nil.
  ///   - options: how the device is opened and stores weights; a variant that does not take their precision is checked
  ///     in its finest. The reference stores float32.
  /// - Throws: where the reference itself fails.
  public init(
    _ device: DeviceSummary, variant: KernelVariant? = nil, options: Explainer.Options = .init()
  ) throws(LeGradError) {
    self.device = device
    let reference: CPUBackend
    do {
      reference = try options.cpuBackend(precision: .f32, instructionSet: device.backend == .native ? .portable : nil)
    } catch { throw LeGradError(error) }
    self.reference = reference.deviceDescription
    let opened: (backend: any Backend, variant: DeviceVariant)
    do {
      opened = try Self.open(device, variant: variant, options)
    } catch {
      self.variant = variant.map { .kernels($0) }
      failure = error.message
      operations = []
      explanation = nil
      return
    }
    self.variant = opened.variant
    failure = nil
    let model = try Model.demo()
    operations = try Self.operations(of: model, reference: reference, tested: opened.backend)
    explanation = try ExplanationCheck(model, DemoPicture.all()[0], reference: reference, tested: opened.backend)
  }

  /// Every operation of `Backend` on two backends, in a model's sizes for two images and two prompts; those in float64
  /// where the device computes in it.
  static func operations(
    of model: Model, reference: some Backend, tested: some Backend,
    timer: OperationTimer = OperationTimer(repetitions: 3)
  ) throws(LeGradError) -> [OperationCheck] {
    let comparison = OperationComparison(reference: reference, tested: tested, timer: timer)
    var checks: [OperationCheck] = []
    for sample in SampleSizes(model.configuration, images: 2, prompts: 2).everySample
    where sample.scalar == .float32 || tested.hasFloat64 {
      do { checks.append(try comparison.check(sample)) } catch { throw LeGradError(error) }
    }
    return checks
  }

  private static func open(
    _ summary: DeviceSummary, variant: KernelVariant?, _ options: Explainer.Options
  ) throws(BackendError) -> (backend: any Backend, variant: DeviceVariant) {
    guard summary.backend == .openCL else {
      let backend = try options.cpuBackend(precision: options.precision ?? summary.fastestPrecision)
      return (backend, .instructions(backend.instructionSet))
    }
    var options = options
    options.kernelVariant = variant
    // Kernels without float32 are checked in what comes nearest to it.
    if let variant, let precision = options.precision, !variant.takes(precision) {
      options.precision = variant.finestPrecision
    }
    let backend = try options.openCLBackend(try summary.openCLDevice())
    return (backend, .kernels(backend.variant))
  }
}

extension DeviceCheck {
  /// Whether some numbers are wrong.
  public var isWrong: Bool { verdicts.contains { if case .wrong = $0 { true } else { false } } }

  /// Whether something could not be run.
  public var isUnusable: Bool {
    failure != nil || verdicts.contains { if case .failed = $0 { true } else { false } }
  }

  private var verdicts: [CheckVerdict] { operations.map(\.verdict) + [explanation?.verdict].compactMap { $0 } }
}

extension CheckVerdict {
  /// What is wrong; nil where nothing is.
  public var problem: Message? {
    switch self {
    case .good: nil
    case .wrong(let problem), .failed(let problem): problem
    }
  }
}
