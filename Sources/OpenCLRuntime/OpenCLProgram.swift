import COpenCL

/// A program built for one device.
@safe public final class OpenCLProgram: @unchecked Sendable {
  let context: OpenCLContext
  let handle: cl_program

  /// Builds from source pieces, which are one text to the compiler. A failure carries the compiler's log.
  public init(_ context: OpenCLContext, sources: [String], options: String) throws(OpenCLError) {
    self.context = context
    var status: cl_int = 0
    let program = unsafe sources.joined().withCString { text -> cl_program? in
      var start: UnsafePointer<CChar>? = unsafe text
      return unsafe context.calls.clCreateProgramWithSource(context.handle, 1, &start, nil, &status)
    }
    unsafe handle = try checked(program, status, "clCreateProgramWithSource")
    try build(options)
  }

  /// Loads what `binary` gave for the same device and driver.
  public init(_ context: OpenCLContext, binary: [UInt8], options: String) throws(OpenCLError) {
    self.context = context
    var status: cl_int = 0
    var binaryStatus: cl_int = 0
    let program = unsafe binary.withUnsafeBufferPointer { bytes -> cl_program? in
      var identifier: cl_device_id? = unsafe context.device.identifier
      var start: UnsafePointer<UInt8>? = bytes.baseAddress
      var length = bytes.count
      return unsafe context.calls.clCreateProgramWithBinary(
        context.handle, 1, &identifier, &length, &start, &binaryStatus, &status)
    }
    unsafe handle = try checked(program, status, "clCreateProgramWithBinary")
    try check(binaryStatus, "clCreateProgramWithBinary")
    try build(options)
  }

  deinit { _ = unsafe context.calls.clReleaseProgram(handle) }

  private func build(_ options: String) throws(OpenCLError) {
    var identifier: cl_device_id? = unsafe context.device.identifier
    let status = unsafe context.calls.clBuildProgram(handle, 1, &identifier, options, nil, nil)
    guard status != CL_SUCCESS else { return }
    throw OpenCLError(
      call: "clBuildProgram", status: OpenCLStatus(rawValue: status), detail: (try? buildLog()) ?? "no log")
  }

  private func buildLog() throws(OpenCLError) -> String {
    let call = unsafe context.calls.clGetProgramBuildInfo
    let (program, device) = unsafe (handle, context.device.identifier)
    return unsafe try string("clGetProgramBuildInfo", "CL_PROGRAM_BUILD_LOG") { size, value, needed in
      unsafe call?(program, device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), size, value, needed)
        ?? CL_INVALID_VALUE
    }
  }

  /// What the driver made of the program, to be loaded again without compiling.
  public func binary() throws(OpenCLError) -> [UInt8] {
    var size = 0
    unsafe try check(
      context.calls.clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &size, nil),
      "clGetProgramInfo")
    var bytes = [UInt8](repeating: 0, count: size)
    let status = unsafe bytes.withUnsafeMutableBufferPointer { bytes -> cl_int in
      var start: UnsafeMutablePointer<UInt8>? = bytes.baseAddress
      return unsafe context.calls.clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARIES), MemoryLayout<UnsafeMutablePointer<UInt8>?>.size, &start, nil)
    }
    try check(status, "clGetProgramInfo")
    return bytes
  }
}

/// A function of a program, with arguments that belong to it until the next launch: one thread at a time.
@safe public final class OpenCLKernel: @unchecked Sendable {
  public let name: String
  public let program: OpenCLProgram
  let handle: cl_kernel

  public init(_ program: OpenCLProgram, name: String) throws(OpenCLError) {
    self.program = program
    self.name = name
    var status: cl_int = 0
    let kernel = unsafe program.context.calls.clCreateKernel(program.handle, name, &status)
    unsafe handle = try checked(kernel, status, "clCreateKernel", name)
  }

  deinit { _ = unsafe program.context.calls.clReleaseKernel(handle) }

  /// Makes it ready for a launch over `global` work-items in groups of `local`.
  func set(_ arguments: [OpenCLArgument], global: [Int], local: [Int]) throws(OpenCLError) {
    precondition(
      global.count == local.count && zip(global, local).allSatisfy { $0 > 0 && $1 > 0 && $0 % $1 == 0 },
      "\(name): \(global) work-items in groups of \(local)")
    for (index, argument) in arguments.enumerated() { try set(argument, at: index) }
  }

  private func set(_ argument: OpenCLArgument, at index: Int) throws(OpenCLError) {
    func set<Value>(_ value: Value) -> cl_int {
      unsafe withUnsafePointer(to: value) { value -> cl_int in
        unsafe program.context.calls.clSetKernelArg(handle, cl_uint(index), MemoryLayout<Value>.size, value)
      }
    }
    let status =
      switch argument {
      case .memory(let memory): unsafe set(Optional(memory.handle))
      case .uint(let value): set(value)
      case .ulong(let value): set(value)
      case .float(let value): set(value)
      case .double(let value): set(value)
      }
    try check(status, "clSetKernelArg", "argument \(index) of \(name)")
  }
}

/// One argument of a kernel.
public enum OpenCLArgument: Sendable {
  case memory(OpenCLMemory)
  case uint(UInt32)
  case ulong(UInt64)
  case float(Float)
  case double(Double)
}
