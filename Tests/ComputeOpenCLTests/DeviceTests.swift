import OpenCLRuntime
import TestSupport
import Testing

struct DeviceTests {
  /// With `LEGRAD_REQUIRE_OPENCL=1`, as in CI, a machine without a device fails here; all other tests that need one
  /// would pass with no cases.
  @Test func aRequiredDeviceIsThere() throws {
    guard TestDevice.isRequired else { return }
    #expect(TestDevice.first != nil, "LEGRAD_REQUIRE_OPENCL=1, but there is no OpenCL device")
  }

  @Test(.enabled(if: TestDevice.first != nil))
  func aDeviceTellsWhatItIs() throws {
    let device = try #require(TestDevice.first)
    #expect(!device.name.isEmpty && !device.platform.isEmpty && !device.driver.isEmpty)
    #expect(device.version.hasPrefix("OpenCL "))
    #expect(device.computeUnits > 0 && device.largestWorkGroup > 0)
    #expect(device.memory > 0 && device.largestBuffer > 0 && device.largestBuffer <= device.memory)
  }

  @Test(.enabled(if: TestDevice.first != nil))
  func aBuildLogNamesTheLine() throws {
    let context = try OpenCLContext(#require(TestDevice.first))
    let error = #expect(throws: OpenCLError.self) {
      try OpenCLProgram(
        context,
        sources: ["#line 1 \"common.cl\"\n", "\n", "#line 1 \"broken.cl\"\n", "\n\n__kernel void broken() { x; }\n"],
        options: "-cl-std=CL1.2")
    }
    #expect(error?.call == "clBuildProgram")
    #expect(error?.description.contains("broken.cl:3:") == true, "\(error?.description ?? "")")
  }
}
