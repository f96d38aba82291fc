import COpenCL

extension OpenCLDevice {
  static var commandBufferExtension: String { "cl_khr_command_buffer" }

  /// Whether it says that kernels can be recorded and enqueued together.
  public var hasCommandBuffers: Bool { extensions.contains(Self.commandBufferExtension) }

  /// The calls of the extension, after asking whether it takes queues in order without further properties.
  fileprivate func commandBufferCalls() throws(OpenCLError) -> legrad_command_buffers {
    guard hasCommandBuffers else {
      throw OpenCLError(
        call: Self.commandBufferExtension, status: .success, detail: "\(name) does not have it")
    }
    var platform: cl_platform_id?
    unsafe try check(
      library.calls.clGetDeviceInfo(
        identifier, cl_device_info(CL_DEVICE_PLATFORM), MemoryLayout<cl_platform_id?>.size, &platform, nil),
      "clGetDeviceInfo", "CL_DEVICE_PLATFORM")
    var required: cl_command_queue_properties = 0
    unsafe try check(
      library.calls.clGetDeviceInfo(
        identifier, cl_device_info(LEGRAD_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES),
        MemoryLayout<cl_command_queue_properties>.size, &required, nil),
      "clGetDeviceInfo", "CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR")
    guard required == 0 else {
      throw OpenCLError(
        call: Self.commandBufferExtension, status: .success, detail: "wants queues with properties \(required)")
    }
    var calls = legrad_command_buffers()
    var table = library.calls
    if let missing = unsafe legrad_command_buffers_find(&table, platform, &calls) {
      throw OpenCLError(
        call: "clGetExtensionFunctionAddressForPlatform", status: .success,
        detail: "knows no \(unsafe String(cString: missing))")
    }
    return calls
  }
}

/// Kernels that are recorded once and then enqueued together, as often as wanted, with the arguments that they had
/// (cl_khr_command_buffer). Used by one thread at a time.
@safe public final class OpenCLCommandBuffer: @unchecked Sendable {
  /// How many kernels were recorded.
  public private(set) var count = 0

  private let queue: OpenCLQueue
  private let calls: legrad_command_buffers
  private let handle: legrad_command_buffer
  /// The specification leaves open who keeps what a recorded kernel reads; drivers that read a kernel's arguments late,
  /// as PoCL 3.1 does, need a kernel of its own for each.
  private var kernels: [OpenCLKernel] = []
  private var memories: [ObjectIdentifier: OpenCLMemory] = [:]
  private var last: cl_uint = 0

  /// - Throws: where the device does not have command buffers that fit such a queue.
  public init(_ queue: OpenCLQueue) throws(OpenCLError) {
    self.queue = queue
    calls = try queue.context.device.commandBufferCalls()
    var status: cl_int = 0
    var list: cl_command_queue? = unsafe queue.handle
    let buffer = unsafe calls.create(1, &list, nil, &status)
    unsafe handle = try checked(buffer, status, "clCreateCommandBufferKHR")
  }

  deinit { _ = unsafe calls.release(handle) }

  /// Records a kernel behind those before it; see `OpenCLQueue.launch`.
  /// - Parameter kernel: one that nobody else gives arguments to.
  public func record(
    _ kernel: OpenCLKernel, _ arguments: [OpenCLArgument], global: [Int], local: [Int]
  ) throws(OpenCLError) {
    try kernel.set(arguments, global: global, local: local)
    for case .memory(let memory) in arguments { memories[ObjectIdentifier(memory)] = memory }
    kernels.append(kernel)
    var point: cl_uint = 0
    let dimensions = cl_uint(global.count)
    let status =
      if count > 0 {
        unsafe calls.record(
          handle, nil, nil, kernel.handle, dimensions, nil, global, local, 1, &last, &point, nil)
      } else {
        unsafe calls.record(
          handle, nil, nil, kernel.handle, dimensions, nil, global, local, 0, nil, &point, nil)
      }
    try check(status, "clCommandNDRangeKernelKHR", "\(kernel.name) over \(global) in groups of \(local)")
    last = point
    count += 1
  }

  /// Ends the recording.
  public func finalize() throws(OpenCLError) {
    try check(unsafe calls.finalize(handle), "clFinalizeCommandBufferKHR")
  }

  /// Runs what was recorded, behind what the queue has; once the run before is done.
  public func enqueue() throws(OpenCLError) {
    try check(unsafe calls.enqueue(0, nil, handle, 0, nil, nil), "clEnqueueCommandBufferKHR")
  }
}
