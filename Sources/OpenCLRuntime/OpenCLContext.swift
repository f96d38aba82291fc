import COpenCL

/// A context of one device: what memory, programs and queues belong to.
///
/// Unchecked, as all types of this room are, because OpenCL's objects may be used from any thread; the exceptions
/// say so.
@safe public final class OpenCLContext: @unchecked Sendable {
  public let device: OpenCLDevice
  let handle: cl_context

  var calls: legrad_opencl { device.library.calls }

  public init(_ device: OpenCLDevice) throws(OpenCLError) {
    self.device = device
    var status: cl_int = 0
    var identifier: cl_device_id? = unsafe device.identifier
    let context = unsafe device.library.calls.clCreateContext(nil, 1, &identifier, nil, nil, &status)
    unsafe handle = try checked(context, status, "clCreateContext")
  }

  deinit { _ = unsafe device.library.calls.clReleaseContext(handle) }
}

/// Device memory, freed with its last owner.
@safe public final class OpenCLMemory: @unchecked Sendable {
  public let bytes: Int
  let context: OpenCLContext
  let handle: cl_mem

  /// Uninitialised memory that kernels read and write.
  /// - Parameter taken: what is asked of the driver, for memory that nothing will read or write; `bytes` if nil.
  public init(_ context: OpenCLContext, bytes: Int, taken: Int? = nil) throws(OpenCLError) {
    self.context = context
    self.bytes = bytes
    var status: cl_int = 0
    let memory = unsafe context.calls.clCreateBuffer(
      context.handle, cl_mem_flags(CL_MEM_READ_WRITE), taken ?? bytes, nil, &status)
    unsafe handle = try checked(memory, status, "clCreateBuffer", "\(bytes) bytes on \(context.device.name)")
  }

  deinit { _ = unsafe context.calls.clReleaseMemObject(handle) }
}

/// A point in a queue, reached when everything before it is done.
@safe public final class OpenCLEvent: @unchecked Sendable {
  private let context: OpenCLContext
  let handle: cl_event

  init(_ context: OpenCLContext, handle: cl_event) {
    self.context = context
    unsafe self.handle = handle
  }

  deinit { _ = unsafe context.calls.clReleaseEvent(handle) }

  /// Nanoseconds of device time from start to end; its queue must be one that profiles, and be done with it.
  public func duration() throws(OpenCLError) -> UInt64 {
    func moment(_ name: Int32) throws(OpenCLError) -> UInt64 {
      var value: cl_ulong = 0
      unsafe try check(
        context.calls.clGetEventProfilingInfo(
          handle, cl_profiling_info(name), MemoryLayout<cl_ulong>.size, &value, nil),
        "clGetEventProfilingInfo")
      return value
    }
    let start = try moment(CL_PROFILING_COMMAND_START)
    let end = try moment(CL_PROFILING_COMMAND_END)
    return end > start ? end - start : 0
  }
}
