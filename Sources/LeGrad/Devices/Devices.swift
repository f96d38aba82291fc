import Failures
import OpenCLRuntime

/// The OpenCL devices of this machine, or why there are none.
struct Devices: Sendable {
  let openCL: [OpenCLDevice]
  /// What is missing, for people; nil where there are devices.
  let problem: String?

  init(_ library: () throws(OpenCLError) -> OpenCLLibrary) {
    do throws(OpenCLError) {
      openCL = try library().devices()
      problem = openCL.isEmpty ? "OpenCL has no driver here (Debian: \(Self.drivers))" : nil
    } catch {
      openCL = []
      problem =
        error.call == "dlopen"
        ? "\(error.detail) (Debian: ocl-icd-libopencl1, and \(Self.drivers))" : "OpenCL failed: \(error)"
    }
  }

  private static let drivers = "a driver such as pocl-opencl-icd or the vendor's"

  /// Looked for each time: what a driver answers is not kept here.
  static func found() -> Devices { Devices { () throws(OpenCLError) in try OpenCLLibrary.system() } }

  var usable: [OpenCLDevice] { openCL.filter(\.isAvailable) }
  var firstGPU: OpenCLDevice? { usable.first { $0.kind == .gpu } }

  func missing(_ message: String) -> LeGradError {
    LeGradError(
      .device,
      "\(message)\(problem.map { ": \($0)" } ?? ""); \(Subject.devices) lists them, \(Subject.device) cpu needs none")
  }
}
