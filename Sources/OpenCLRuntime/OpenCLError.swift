import COpenCL

/// A status of OpenCL, with its name in the specification.
public struct OpenCLStatus: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  public let rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let success = OpenCLStatus(rawValue: 0)
  public static let memoryObjectAllocationFailure = OpenCLStatus(rawValue: -4)
  public static let outOfResources = OpenCLStatus(rawValue: -5)
  public static let outOfHostMemory = OpenCLStatus(rawValue: -6)
  public static let buildProgramFailure = OpenCLStatus(rawValue: -11)
  public static let invalidBufferSize = OpenCLStatus(rawValue: -61)
  /// What the loader answers where no driver is installed.
  public static let platformNotFound = OpenCLStatus(rawValue: -1001)

  /// Whether less memory in use could have helped.
  public var isLackOfMemory: Bool {
    [Self.memoryObjectAllocationFailure, .outOfResources, .outOfHostMemory, .invalidBufferSize].contains(self)
  }

  public var description: String {
    Self.names[rawValue].map { "\($0) (\(rawValue))" } ?? "status \(rawValue)"
  }

  private static let names: [Int32: String] = [
    0: "CL_SUCCESS", -1: "CL_DEVICE_NOT_FOUND", -2: "CL_DEVICE_NOT_AVAILABLE", -3: "CL_COMPILER_NOT_AVAILABLE",
    -4: "CL_MEM_OBJECT_ALLOCATION_FAILURE", -5: "CL_OUT_OF_RESOURCES", -6: "CL_OUT_OF_HOST_MEMORY",
    -7: "CL_PROFILING_INFO_NOT_AVAILABLE", -8: "CL_MEM_COPY_OVERLAP", -11: "CL_BUILD_PROGRAM_FAILURE",
    -12: "CL_MAP_FAILURE", -13: "CL_MISALIGNED_SUB_BUFFER_OFFSET",
    -14: "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST", -15: "CL_COMPILE_PROGRAM_FAILURE",
    -16: "CL_LINKER_NOT_AVAILABLE", -17: "CL_LINK_PROGRAM_FAILURE", -18: "CL_DEVICE_PARTITION_FAILED",
    -19: "CL_KERNEL_ARG_INFO_NOT_AVAILABLE", -30: "CL_INVALID_VALUE", -31: "CL_INVALID_DEVICE_TYPE",
    -32: "CL_INVALID_PLATFORM", -33: "CL_INVALID_DEVICE", -34: "CL_INVALID_CONTEXT",
    -35: "CL_INVALID_QUEUE_PROPERTIES", -36: "CL_INVALID_COMMAND_QUEUE", -37: "CL_INVALID_HOST_PTR",
    -38: "CL_INVALID_MEM_OBJECT", -42: "CL_INVALID_BINARY", -43: "CL_INVALID_BUILD_OPTIONS",
    -44: "CL_INVALID_PROGRAM", -45: "CL_INVALID_PROGRAM_EXECUTABLE", -46: "CL_INVALID_KERNEL_NAME",
    -47: "CL_INVALID_KERNEL_DEFINITION", -48: "CL_INVALID_KERNEL", -49: "CL_INVALID_ARG_INDEX",
    -50: "CL_INVALID_ARG_VALUE", -51: "CL_INVALID_ARG_SIZE", -52: "CL_INVALID_KERNEL_ARGS",
    -53: "CL_INVALID_WORK_DIMENSION", -54: "CL_INVALID_WORK_GROUP_SIZE", -55: "CL_INVALID_WORK_ITEM_SIZE",
    -56: "CL_INVALID_GLOBAL_OFFSET", -57: "CL_INVALID_EVENT_WAIT_LIST", -58: "CL_INVALID_EVENT",
    -59: "CL_INVALID_OPERATION", -61: "CL_INVALID_BUFFER_SIZE", -63: "CL_INVALID_GLOBAL_WORK_SIZE",
    -64: "CL_INVALID_PROPERTY", -1001: "CL_PLATFORM_NOT_FOUND_KHR",
  ]
}

/// A call of OpenCL that failed.
public struct OpenCLError: Error, Sendable, CustomStringConvertible {
  /// The call's name, or `dlopen` where there is no loader.
  public let call: String
  public let status: OpenCLStatus
  /// The kernel, the sizes, or the build log.
  public let detail: String

  public init(call: String, status: OpenCLStatus, detail: String = "") {
    self.call = call
    self.status = status
    self.detail = detail
  }

  /// Whether a driver's compiler refused a program, so that what it did not compile may still be taken.
  public var isOfCompiler: Bool { call == "clBuildProgram" && !status.isLackOfMemory }

  public var description: String {
    let failure = status == .success ? call : "\(call): \(status)"
    return detail.isEmpty ? failure : "\(failure): \(detail)"
  }
}

/// The one place where a status becomes an error.
func check(_ status: Int32, _ call: StaticString, _ detail: @autoclosure () -> String = "") throws(OpenCLError) {
  guard status != CL_SUCCESS else { return }
  throw OpenCLError(call: "\(call)", status: OpenCLStatus(rawValue: status), detail: detail())
}

/// The object that a creating call gave.
func checked(
  _ object: OpaquePointer?, _ status: Int32, _ call: StaticString, _ detail: @autoclosure () -> String = ""
) throws(OpenCLError) -> OpaquePointer {
  try check(status, call, detail())
  guard let object = unsafe object else {
    throw OpenCLError(call: "\(call)", status: .success, detail: "gave no object")
  }
  return unsafe object
}
