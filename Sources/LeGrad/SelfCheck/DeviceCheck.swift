public import Compute
import ComputeCPU
public import ComputeOpenCL
import OpenCLRuntime
public import OperationSamples

/// The self-check of one device in one variant: every operation in the bundled model's sizes, then one whole
/// explanation, against a backend that is trusted.
public struct DeviceCheck: Sendable {
  public struct Options: Sendable {
    /// How the device stores weights; the reference stores float32.
    public var precision = Precision.f32
    /// Threads of the native CPU backend; all cores if nil.
    public var threads: Int?
    /// Bytes of an OpenCL device's memory to use at most.
    public var memoryLimit: Int?

    public init() {}
  }

  public let device: DeviceSummary
  /// The instruction set or kernel variant.
  public let variant: String
  /// What it was compared with, for people.
  public let reference: String
  /// Why nothing could be checked.
  public let failure: String?
  public let operations: [OperationCheck]
  public let explanation: ExplanationCheck?

  /// Checks an OpenCL device against the native CPU backend, and the native CPU backend against its portable inner
  /// loops.
  /// - Parameter variant: of an OpenCL device; the one that it would use where nil.
  /// - Throws: where the reference itself fails.
  public init(
    _ device: DeviceSummary, variant: KernelVariant? = nil, options: Options = Options()
  ) throws(LeGradError) {
    self.device = device
    let reference: CPUBackend
    do {
      reference = try CPUBackend(threads: options.threads, instructionSet: device.isNative ? .portable : nil)
    } catch { throw LeGradError(error) }
    self.reference = reference.deviceDescription
    let opened: Opened
    do {
      opened = try Self.open(device, variant: variant, options)
    } catch {
      self.variant = variant?.rawValue ?? ""
      failure = error.description
      operations = []
      explanation = nil
      return
    }
    self.variant = opened.variant
    failure = nil
    let model = try Model.demo()
    operations = try Self.operations(of: model, reference: reference, tested: opened.backend)
    explanation = try ExplanationCheck(
      model, DemoPicture.all()[0], reference: reference, tested: opened.backend)
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

  private struct Opened {
    let backend: any Backend
    let variant: String
  }

  private static func open(
    _ summary: DeviceSummary, variant: KernelVariant?, _ options: Options
  ) throws(BackendError) -> Opened {
    guard !summary.isNative else {
      let backend = try CPUBackend(precision: options.precision, threads: options.threads)
      return Opened(backend: backend, variant: backend.instructionSet.rawValue)
    }
    let devices = Devices.found().openCL
    guard devices.indices.contains(summary.index - 1) else {
      throw BackendError(.unavailable, operation: .open, "\(summary.name) is gone")
    }
    var settings = OpenCLBackend.Options()
    settings.variant = variant
    settings.memoryLimit = options.memoryLimit
    let backend = try OpenCLBackend(devices[summary.index - 1], precision: options.precision, options: settings)
    return Opened(backend: backend, variant: backend.variant.rawValue)
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
  public var text: String? {
    switch self {
    case .good: nil
    case .wrong(let text), .failed(let text): text
    }
  }
}
