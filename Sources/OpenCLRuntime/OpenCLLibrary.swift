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

  /// The devices of all platforms that say what they are, in the loader's order; none is no error.
  public func devices() throws(OpenCLError) -> [OpenCLDevice] {
    try findings().compactMap { if case .device(let device) = $0 { device } else { nil } }
  }

  /// What every platform has, in the loader's order. A platform or a device that fails hides no other.
  ///
  /// Asked for once at a time: some drivers answer wrongly when several threads ask for the first time together.
  /// - Throws: where the platforms themselves cannot be asked for.
  public func findings() throws(OpenCLError) -> [OpenCLFinding] {
    try Self.discovery.withLock { _ throws(OpenCLError) in
      var findings: [OpenCLFinding] = []
      let platforms = unsafe try platforms()
      for index in unsafe platforms.indices {
        let platform = unsafe platforms[index]
        var name = "platform \(index + 1)"
        do throws(OpenCLError) {
          name = unsafe try text(ofPlatform: platform, CL_PLATFORM_NAME, "CL_PLATFORM_NAME")
          let known = findings.count { if case .device = $0 { true } else { false } }
          findings += unsafe try devices(of: platform, named: name, after: known)
        } catch {
          findings.append(.fault(OpenCLFault(platform: name, device: nil, kind: nil, error: error)))
        }
      }
      return findings
    }
  }

  private static let discovery = Mutex(())

  /// More platforms, or devices of one, than any machine has are a driver's mistake.
  private static let mostAnswers: cl_uint = 4096

  private func devices(
    of platform: cl_platform_id, named name: String, after known: Int
  ) throws(OpenCLError) -> [OpenCLFinding] {
    var count: cl_uint = 0
    let all = cl_device_type(CL_DEVICE_TYPE_ALL)
    let status = unsafe calls.clGetDeviceIDs(platform, all, 0, nil, &count)
    if status == CL_DEVICE_NOT_FOUND { return [.noDevice(platform: name)] }
    try check(status, "clGetDeviceIDs")
    try checkCount(count, "clGetDeviceIDs")
    guard count > 0 else { return [.noDevice(platform: name)] }
    var identifiers = unsafe [cl_device_id?](repeating: nil, count: Int(count))
    unsafe try check(calls.clGetDeviceIDs(platform, all, count, &identifiers, nil), "clGetDeviceIDs")
    var findings: [OpenCLFinding] = []
    var position = known
    for index in unsafe identifiers.indices {
      guard let identifier = unsafe identifiers[index] else { continue }
      do throws(OpenCLError) {
        findings.append(
          .device(unsafe try OpenCLDevice(self, identifier: identifier, platform: name, position: position)))
        position += 1
      } catch {
        let (device, kind) = unsafe OpenCLDevice.whatIsKnown(of: identifier, self)
        findings.append(.fault(OpenCLFault(platform: name, device: device, kind: kind, error: error)))
      }
    }
    return findings.isEmpty ? [.noDevice(platform: name)] : findings
  }

  private func checkCount(_ count: cl_uint, _ call: StaticString) throws(OpenCLError) {
    guard count > Self.mostAnswers else { return }
    throw OpenCLError(call: "\(call)", status: .success, detail: "says that there are \(count)")
  }

  private func platforms() throws(OpenCLError) -> [cl_platform_id] {
    var count: cl_uint = 0
    let status = unsafe calls.clGetPlatformIDs(0, nil, &count)
    if status == OpenCLStatus.platformNotFound.rawValue { return unsafe [] }
    try check(status, "clGetPlatformIDs")
    try checkCount(count, "clGetPlatformIDs")
    guard count > 0 else { return unsafe [] }
    var platforms = unsafe [cl_platform_id?](repeating: nil, count: Int(count))
    unsafe try check(calls.clGetPlatformIDs(count, &platforms, nil), "clGetPlatformIDs")
    return unsafe platforms.compactMap { platform -> cl_platform_id? in unsafe platform }
  }

  private func text(
    ofPlatform platform: cl_platform_id, _ name: Int32, _ label: String
  ) throws(OpenCLError) -> String {
    let call = unsafe calls.clGetPlatformInfo
    return unsafe try string("clGetPlatformInfo", label) { size, value, needed in
      unsafe call?(platform, cl_platform_info(name), size, value, needed) ?? CL_INVALID_VALUE
    }
  }
}

/// What the search for devices met.
public enum OpenCLFinding: Sendable {
  case device(OpenCLDevice)
  /// A platform whose devices cannot be asked for, or a device that does not say what it is.
  case fault(OpenCLFault)
  /// A platform that has no device.
  case noDevice(platform: String)
}

/// A platform or a device that cannot be used, and why.
public struct OpenCLFault: Sendable {
  /// Its name, or its place among the platforms where it does not say it.
  public let platform: String
  /// Nil where the platform itself fails, or the device has no name.
  public let device: String?
  /// Nil where that is not known.
  public let kind: OpenCLDevice.Kind?
  public let error: OpenCLError

  public init(platform: String, device: String?, kind: OpenCLDevice.Kind?, error: OpenCLError) {
    self.platform = platform
    self.device = device
    self.kind = kind
    self.error = error
  }
}

/// Reads text of a length that the call tells first.
/// - Parameter label: what is asked for.
func string(
  _ call: StaticString, _ label: String, _ read: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Int32
) throws(OpenCLError) -> String {
  var size = 0
  unsafe try check(read(0, nil, &size), call, label)
  guard size > 0 else { return "" }
  // The longest texts are a compiler's.
  guard size <= 1 << 26 else {
    throw OpenCLError(call: "\(call)", status: .success, detail: "\(label) of \(size) bytes")
  }
  var bytes = [UInt8](repeating: 0, count: size)
  unsafe try check(read(size, &bytes, nil), call, label)
  return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
