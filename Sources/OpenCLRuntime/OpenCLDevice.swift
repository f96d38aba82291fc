import COpenCL

/// A device and what it says about itself.
///
/// Unchecked because of the identifier, which is valid for the life of the program.
@safe public final class OpenCLDevice: @unchecked Sendable {
  public enum Kind: String, Sendable {
    case gpu, cpu, accelerator
  }

  let library: OpenCLLibrary
  let identifier: cl_device_id

  public let platform: String
  public let name: String
  public let vendor: String
  /// The highest version of OpenCL that it speaks, as text.
  public let version: String
  public let driver: String
  public let kind: Kind
  public let computeUnits: Int
  /// Bytes of its memory.
  public let memory: Int
  /// Bytes of the largest buffer.
  public let largestBuffer: Int
  /// Bytes of local memory of a work-group.
  public let localMemory: Int
  public let largestWorkGroup: Int
  /// Floats in a vector of its hardware; 1 where the driver makes its vectors of work-items, or none.
  public let vectorWidth: Int
  /// What it can beside OpenCL's core, by name.
  public let extensions: Set<String>
  /// Whether it is usable and has a compiler.
  public let isAvailable: Bool
  /// Whether it computes in float64.
  public let hasFloat64: Bool

  init(_ library: OpenCLLibrary, identifier: cl_device_id, platform: String) throws(OpenCLError) {
    self.library = library
    unsafe self.identifier = identifier
    self.platform = platform
    let info = unsafe DeviceInfo(calls: library.calls, identifier: identifier)
    name = try info.text(CL_DEVICE_NAME).trimmed
    vendor = try info.text(CL_DEVICE_VENDOR).trimmed
    version = try info.text(CL_DEVICE_VERSION).trimmed
    driver = try info.text(CL_DRIVER_VERSION).trimmed
    let type = try info.number(CL_DEVICE_TYPE, cl_device_type.self)
    kind =
      if type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0 {
        .gpu
      } else if type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 {
        .cpu
      } else {
        .accelerator
      }
    computeUnits = Int(try info.number(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint.self))
    memory = Int(clamping: try info.number(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong.self))
    largestBuffer = Int(clamping: try info.number(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong.self))
    localMemory = Int(clamping: try info.number(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong.self))
    largestWorkGroup = try info.number(CL_DEVICE_MAX_WORK_GROUP_SIZE, Int.self)
    vectorWidth = Int(try info.number(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint.self))
    extensions = Set(try info.text(CL_DEVICE_EXTENSIONS).split(separator: " ").map(String.init))
    let available = try info.number(CL_DEVICE_AVAILABLE, cl_bool.self)
    let hasCompiler = try info.number(CL_DEVICE_COMPILER_AVAILABLE, cl_bool.self)
    isAvailable = available != 0 && hasCompiler != 0
    hasFloat64 = try info.number(CL_DEVICE_DOUBLE_FP_CONFIG, cl_device_fp_config.self) != 0
  }
}

/// Answers about one device.
@safe private struct DeviceInfo {
  let calls: legrad_opencl
  let identifier: cl_device_id

  func text(_ name: Int32) throws(OpenCLError) -> String {
    let call = unsafe calls.clGetDeviceInfo
    let identifier = unsafe identifier
    return unsafe try string("clGetDeviceInfo") { size, value, needed in
      unsafe call?(identifier, cl_device_info(name), size, value, needed) ?? CL_INVALID_VALUE
    }
  }

  func number<Number: FixedWidthInteger>(_ name: Int32, _: Number.Type) throws(OpenCLError) -> Number {
    var value: Number = 0
    unsafe try check(
      calls.clGetDeviceInfo(identifier, cl_device_info(name), MemoryLayout<Number>.size, &value, nil),
      "clGetDeviceInfo")
    return value
  }
}

extension String {
  /// Without spaces at either end.
  fileprivate var trimmed: String {
    let kept = drop { $0.isWhitespace }
    guard let last = kept.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(kept[...last])
  }
}
