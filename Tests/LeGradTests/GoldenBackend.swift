import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import LeGrad
import TestSupport
import Testing

/// A backend of this machine for whole explanations, as an argument of tests.
enum GoldenBackend: Sendable, CustomTestStringConvertible {
  case cpu(InstructionSet, Precision)
  /// The machine's first OpenCL device.
  case openCL(KernelVariant, Precision)

  static let all: [GoldenBackend] =
    processors.flatMap { set in Precision.allStored.map { .cpu(set, $0) } }
    + TestDevice.kernels.map { .openCL($0.variant, $0.precision) }
  private static let processors = TestDevice.isAlone ? [] : CPUBackend.availableInstructionSets
  static let float32 = all.filter { $0.precision.isNearFloat32 }
  /// The fastest instruction set, and every variant of the OpenCL device.
  static let devices = float32.filter(\.isBest)
  /// The same in the precisions that round products.
  static let sixteenBitDevices = all.filter { !$0.precision.isNearFloat32 && $0.isBest }

  private var isBest: Bool {
    switch self {
    case .cpu(let set, _): set == CPUBackend.availableInstructionSets.last
    case .openCL: true
    }
  }

  var hasFloat64: Bool {
    if case .openCL = self { TestDevice.hasFloat64 } else { true }
  }

  var precision: Precision {
    switch self {
    case .cpu(_, let precision), .openCL(_, let precision): precision
    }
  }

  /// What stands for a bound of float32's: two parts of bfloat16 hold sixteen bits.
  func bound(_ float32: Float) -> Float { precision == .bf16Split ? 5 * float32 : float32 }

  var testDescription: String {
    switch self {
    case .cpu(let set, let precision): "cpu \(set) \(precision)"
    case .openCL(let variant, let precision): "opencl \(variant) \(precision)"
    }
  }

  /// A backend of the CPU of its own; the device's are shared, since their kernels take long to build.
  func open() throws -> any Backend {
    switch self {
    case .cpu(let set, let precision): try CPUBackend(precision: precision, threads: 2, instructionSet: set)
    case .openCL(let variant, let precision): try TestDevice.shared(variant, precision)
    }
  }

  func explainer(_ model: Model, folds: Bool = false) throws -> Explainer {
    var options = Explainer.Options()
    options.foldsProjections = folds
    return try Explainer(model, options: options, backend: open(), variant: nil, reason: "test")
  }
}

struct GoldenBackendTests {
  /// The golden data is on a device in every variant and precision where the machine must have one.
  @Test func everyBackendIsThere() {
    let devices = GoldenBackend.all.count { if case .openCL = $0 { true } else { false } }
    #expect(devices == TestDevice.kernels.count && devices % 3 == 0 && (devices > 0 || !TestDevice.isRequired))
    let processors = TestDevice.isAlone ? 0 : CPUBackend.availableInstructionSets.count
    #expect(GoldenBackend.all.count - devices == processors * 3)
  }
}
