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

  /// Its place among the devices that say what they are, in the loader's order.
  public let position: Int

  init(
    _ library: OpenCLLibrary, identifier: cl_device_id, platform: String, position: Int
  ) throws(OpenCLError) {
    self.library = library
    unsafe self.identifier = identifier
    self.platform = platform
    self.position = position
    let info = unsafe DeviceInfo(calls: library.calls, identifier: identifier)
    name = try info.text(CL_DEVICE_NAME, "CL_DEVICE_NAME")
    vendor = try info.text(CL_DEVICE_VENDOR, "CL_DEVICE_VENDOR")
    version = try info.text(CL_DEVICE_VERSION, "CL_DEVICE_VERSION")
    driver = try info.text(CL_DRIVER_VERSION, "CL_DRIVER_VERSION")
    // Calls that are newer than a driver are not in its table.
    if let numbers = Self.numbers(ofVersion: version), numbers < (1, 2) {
      throw OpenCLError(
        call: "OpenCL 1.2 is needed", status: .success, detail: "the device says '\(version)'")
    }
    kind = try info.kind()
    computeUnits = try info.size(CL_DEVICE_MAX_COMPUTE_UNITS, "CL_DEVICE_MAX_COMPUTE_UNITS", cl_uint.self)
    memory = try info.size(CL_DEVICE_GLOBAL_MEM_SIZE, "CL_DEVICE_GLOBAL_MEM_SIZE", cl_ulong.self)
    largestBuffer = try info.size(CL_DEVICE_MAX_MEM_ALLOC_SIZE, "CL_DEVICE_MAX_MEM_ALLOC_SIZE", cl_ulong.self)
    localMemory = try info.size(CL_DEVICE_LOCAL_MEM_SIZE, "CL_DEVICE_LOCAL_MEM_SIZE", cl_ulong.self)
    largestWorkGroup = try info.size(CL_DEVICE_MAX_WORK_GROUP_SIZE, "CL_DEVICE_MAX_WORK_GROUP_SIZE", Int.self)
    vectorWidth = Int(
      try info.number(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, "CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT", cl_uint.self))
    extensions = Set(
      try info.text(CL_DEVICE_EXTENSIONS, "CL_DEVICE_EXTENSIONS").split(separator: " ").map(String.init))
    let available = try info.number(CL_DEVICE_AVAILABLE, "CL_DEVICE_AVAILABLE", cl_bool.self)
    let hasCompiler = try info.number(CL_DEVICE_COMPILER_AVAILABLE, "CL_DEVICE_COMPILER_AVAILABLE", cl_bool.self)
    isAvailable = available != 0 && hasCompiler != 0
    hasFloat64 = try info.hasFloat64()
  }

  /// What a device that fails otherwise says of itself.
  static func whatIsKnown(of identifier: cl_device_id, _ library: OpenCLLibrary) -> (name: String?, kind: Kind?) {
    let info = unsafe DeviceInfo(calls: library.calls, identifier: identifier)
    return (try? info.text(CL_DEVICE_NAME, "CL_DEVICE_NAME"), try? info.kind())
  }

  /// The numbers of "OpenCL 1.2 and what follows"; nil where the text has none.
  private static func numbers(ofVersion version: String) -> (Int, Int)? {
    let words = version.split(separator: " ")
    guard words.count > 1, words[0] == "OpenCL" else { return nil }
    let numbers = words[1].split(separator: ".").map { Int($0) }
    guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
    return (major, minor)
  }
}

/// Answers about one device.
@safe private struct DeviceInfo {
  let calls: legrad_opencl
  let identifier: cl_device_id

  func text(_ name: Int32, _ label: String) throws(OpenCLError) -> String {
    let call = unsafe calls.clGetDeviceInfo
    let identifier = unsafe identifier
    return unsafe try string("clGetDeviceInfo", label) { size, value, needed in
      unsafe call?(identifier, cl_device_info(name), size, value, needed) ?? CL_INVALID_VALUE
    }.trimmed
  }

  func number<Number: FixedWidthInteger>(
    _ name: Int32, _ label: String, _: Number.Type
  ) throws(OpenCLError) -> Number {
    var value: Number = 0
    unsafe try check(
      calls.clGetDeviceInfo(identifier, cl_device_info(name), MemoryLayout<Number>.size, &value, nil),
      "clGetDeviceInfo", label)
    return value
  }

  /// A number without which nothing can be computed.
  func size<Number: FixedWidthInteger>(_ name: Int32, _ label: String, _ type: Number.Type) throws(OpenCLError) -> Int {
    let value = try number(name, label, type)
    guard value > 0 else {
      throw OpenCLError(call: "clGetDeviceInfo", status: .success, detail: "\(label) is \(value)")
    }
    return Int(clamping: value)
  }

  /// A simulator may claim all types: what is a processor too is no GPU.
  func kind() throws(OpenCLError) -> OpenCLDevice.Kind {
    let type = try number(CL_DEVICE_TYPE, "CL_DEVICE_TYPE", cl_device_type.self)
    return if type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 {
      .cpu
    } else if type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0 {
      .gpu
    } else {
      .accelerator
    }
  }

  /// Drivers without the property have no float64.
  func hasFloat64() throws(OpenCLError) -> Bool {
    do {
      return try number(CL_DEVICE_DOUBLE_FP_CONFIG, "CL_DEVICE_DOUBLE_FP_CONFIG", cl_device_fp_config.self) != 0
    } catch  where error.status.rawValue == CL_INVALID_VALUE {
      return false
    }
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
