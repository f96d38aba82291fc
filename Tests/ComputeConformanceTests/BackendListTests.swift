import Compute
import ComputeOpenCL
import TestSupport
import Testing

@testable import ComputeCPU

/// A backend that is not in the list is tested by nobody, and no test of it fails.
struct BackendListTests {
  @Test(.enabled(if: !TestDevice.isAlone)) func everyInstructionSetIsTestedInEveryPrecision() {
    for set in CPUBackend.availableInstructionSets {
      for precision in Precision.allStored { #expect(TestBackend.available.contains(.cpu(set, precision))) }
      #expect(TestBackend.available.contains(.cpuPairs(set)))
    }
  }

  /// Where the machine must have an OpenCL device, as in CI, every operation runs on it in each variant and the
  /// three precisions that differ there.
  @Test func everyVariantOfARequiredDeviceIsTestedInEveryPrecision() throws {
    let devices = TestBackend.available.filter { if case .openCL = $0 { true } else { false } }
    #expect(devices.count == TestDevice.variants.count * 3 && (!devices.isEmpty || !TestDevice.isRequired))
    for backend in devices { _ = try backend.open() }
  }
}
