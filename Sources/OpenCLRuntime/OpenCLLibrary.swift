public import COpenCL
import Synchronization

/// The calls of one OpenCL loader.
///
/// Unchecked because the imported table holds C function pointers, which the importer does not mark; they never change
/// and OpenCL allows them from any thread.
@safe public final class OpenCLLibrary: @unchecked Sendable {
  let calls: legrad_opencl

  /// A library with calls of the caller's own.
  public init(calls: legrad_opencl) { self.calls = calls }

  /// The system's loader, opened once.
  public static func system() throws(OpenCLError) -> OpenCLLibrary { try opened.get() }

  private static let opened: Result<OpenCLLibrary, OpenCLError> = {
    var calls = legrad_opencl()
    if let reason = unsafe legrad_opencl_open(&calls) {
      return .failure(OpenCLError(call: "dlopen", status: .success, detail: unsafe String(cString: reason)))
    }
    return .success(OpenCLLibrary(calls: calls))
  }()

  /// The devices of all platforms, in the loader's order; none is no error.
  ///
  /// Asked for once at a time: some drivers answer wrongly when several threads ask for the first time together.
  public func devices() throws(OpenCLError) -> [OpenCLDevice] {
    try Self.discovery.withLock { _ throws(OpenCLError) in
      var devices: [OpenCLDevice] = []
      let platforms = unsafe try platforms()
      for index in unsafe platforms.indices {
        let platform = unsafe platforms[index]
        let name = unsafe try text(ofPlatform: platform, CL_PLATFORM_NAME)
        var count: cl_uint = 0
        let all = cl_device_type(CL_DEVICE_TYPE_ALL)
        let status = unsafe calls.clGetDeviceIDs(platform, all, 0, nil, &count)
        if status == CL_DEVICE_NOT_FOUND { continue }
        try check(status, "clGetDeviceIDs", name)
        guard count > 0 else { continue }
        var identifiers = unsafe [cl_device_id?](repeating: nil, count: Int(count))
        unsafe try check(calls.clGetDeviceIDs(platform, all, count, &identifiers, nil), "clGetDeviceIDs", name)
        for index in unsafe identifiers.indices {
          guard let identifier = unsafe identifiers[index] else { continue }
          devices.append(unsafe try OpenCLDevice(self, identifier: identifier, platform: name))
        }
      }
      return devices
    }
  }

  private static let discovery = Mutex(())

  private func platforms() throws(OpenCLError) -> [cl_platform_id] {
    var count: cl_uint = 0
    let status = unsafe calls.clGetPlatformIDs(0, nil, &count)
    if status == OpenCLStatus.platformNotFound.rawValue { return unsafe [] }
    try check(status, "clGetPlatformIDs")
    guard count > 0 else { return unsafe [] }
    var platforms = unsafe [cl_platform_id?](repeating: nil, count: Int(count))
    unsafe try check(calls.clGetPlatformIDs(count, &platforms, nil), "clGetPlatformIDs")
    return unsafe platforms.compactMap { platform -> cl_platform_id? in unsafe platform }
  }

  private func text(ofPlatform platform: cl_platform_id, _ name: Int32) throws(OpenCLError) -> String {
    let call = unsafe calls.clGetPlatformInfo
    return unsafe try string("clGetPlatformInfo") { size, value, needed in
      unsafe call?(platform, cl_platform_info(name), size, value, needed) ?? CL_INVALID_VALUE
    }
  }
}

/// Reads text of a length that the call tells first.
func string(
  _ call: StaticString, _ read: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Int32
) throws(OpenCLError) -> String {
  var size = 0
  unsafe try check(read(0, nil, &size), call)
  guard size > 0 else { return "" }
  var bytes = [UInt8](repeating: 0, count: size)
  unsafe try check(read(size, &bytes, nil), call)
  return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
