import Compute
import ComputeCPU
import ComputeOpenCL
import OpenCLRuntime

/// What benchmarks run on. Every benchmark runs in a process of its own and is held against a roof measured there,
/// right before it.
enum Machine: Sendable {
  case cpu
  case openCL(OpenCLDevice)

  /// The CPU, and the first OpenCL device where there is one.
  static let all: [Machine] =
    [.cpu] + ((try? OpenCLLibrary.system().devices().filter(\.isAvailable)) ?? []).prefix(1).map { .openCL($0) }

  /// What weights are stored in: float32, and bfloat16 where the machine multiplies it natively.
  var precisions: [Precision] { !isOpenCL && CPUBackend.fastestPrecision == .bf16 ? [.f32, .bf16] : [.f32] }

  var isOpenCL: Bool {
    if case .openCL = self { true } else { false }
  }

  func open(_ precision: Precision) throws -> any Backend {
    switch self {
    case .cpu: try CPUBackend(precision: precision)
    case .openCL(let device): try OpenCLBackend(device, precision: precision)
    }
  }
}
